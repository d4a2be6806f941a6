/* A stand-in for tcpip.sys and tcpip6.sys: a driver with a limiter of half-open
 * connections that works, and that the locator must accept. It tells what it
 * sees of its own variables, and changes them behind the back of tcplimit.sys.
 *
 * Only for Wine. On NT it would leave its code open to writing. */

#include <ntddk.h>
#include "target.h"

#ifdef IPV6
#define DEVICE L"\\Device\\Tcpip6Target"
#define LINK L"\\DosDevices\\Tcpip6Target"
#else
#define DEVICE L"\\Device\\TcpipTarget"
#define LINK L"\\DosDevices\\TcpipTarget"
#endif

/* In limiter_x86.S and limiter_x64.S. */
extern volatile LONG ActiveOpenProgressCount;
extern UCHAR limiter_first_gate[];
void limiter_start(void);
LONG limiter_connect(void);
LONG limiter_retry(void);
void limiter_connected(void);
void limiter_refused(void);

extern POBJECT_TYPE NTKERNELAPI *IoDriverObjectType;
NTKERNELAPI NTSTATUS NTAPI ObReferenceObjectByName(PUNICODE_STRING, ULONG, PACCESS_STATE,
                                                   ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE,
                                                   PVOID, PVOID *);
NTKERNELAPI NTSTATUS NTAPI ObOpenObjectByPointer(PVOID, ULONG, PACCESS_STATE, ACCESS_MASK,
                                                 POBJECT_TYPE, KPROCESSOR_MODE, PHANDLE);
NTKERNELAPI NTSTATUS NTAPI ZwQuerySecurityObject(HANDLE, SECURITY_INFORMATION,
                                                 PSECURITY_DESCRIPTOR, ULONG, PULONG);
typedef NTSTATUS(NTAPI *protect)(HANDLE, PVOID *, SIZE_T *, ULONG, ULONG *);

/* The queue length, with the limit and the count behind it. Worked out where
 * neither compiler nor locator sees it: nothing but the gates may name the
 * limit, and nothing else may load the count. */
static volatile LONG *variables(void)
{
    volatile LONG *count = &ActiveOpenProgressCount;

    __asm__ volatile("" : "+r"(count));
    return count - COUNT;
}

static void store(const struct target_request *request)
{
    if (request->variable < VARIABLES)
        InterlockedExchange(variables() + request->variable, request->value);
}

/* Puts a jump over the first gate, as software that hooks a driver does, or
 * takes it away again. */
static NTSTATUS hook(BOOLEAN on)
{
    static UCHAR genuine[5];
    static BOOLEAN hooked;
    UNICODE_STRING name;
    protect change;
    PVOID page = limiter_first_gate;
    SIZE_T size = sizeof genuine;
    ULONG before;
    NTSTATUS status;

    if (on == hooked)
        return STATUS_INVALID_PARAMETER;
    RtlInitUnicodeString(&name, L"ZwProtectVirtualMemory");
    change = (protect)(ULONG_PTR)MmGetSystemRoutineAddress(&name);
    if (!change)
        return STATUS_NOT_IMPLEMENTED;
    status = change((HANDLE)-1, &page, &size, PAGE_EXECUTE_READWRITE, &before);
    if (status)
        return status;
    if (on) {
        RtlCopyMemory(genuine, limiter_first_gate, sizeof genuine);
        RtlZeroMemory(limiter_first_gate, sizeof genuine);
        limiter_first_gate[0] = 0xE9;
    } else {
        RtlCopyMemory(limiter_first_gate, genuine, sizeof genuine);
    }
    hooked = on;
    return change((HANDLE)-1, &page, &size, before, &before);
}

/* The access control list of one of a driver's devices, asked in kernel mode: no
 * program can. The device made last is the first. */
static NTSTATUS security(const struct target_driver *request, PVOID descriptor, ULONG room,
                         ULONG *length)
{
    WCHAR name[sizeof request->name];
    UNICODE_STRING counted;
    DRIVER_OBJECT *driver;
    DEVICE_OBJECT *device;
    HANDLE handle;
    NTSTATUS status;
    ULONG i;

    for (i = 0; i < sizeof request->name; i++)
        name[i] = request->name[i];
    name[i - 1] = 0;
    RtlInitUnicodeString(&counted, name);
    status = ObReferenceObjectByName(&counted, OBJ_CASE_INSENSITIVE, NULL, 0, *IoDriverObjectType,
                                     KernelMode, NULL, (PVOID *)&driver);
    if (status)
        return status;
    device = driver->DeviceObject;
    for (i = 0; device && i < request->device; i++)
        device = device->NextDevice;
    status = STATUS_NO_SUCH_DEVICE;
    if (device)
        status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, READ_CONTROL, NULL,
                                       KernelMode, &handle);
    if (!status) {
        status = ZwQuerySecurityObject(handle, DACL_SECURITY_INFORMATION, descriptor, room,
                                       length);
        ZwClose(handle);
    }
    ObDereferenceObject(driver);
    return status;
}

static NTSTATUS serve(ULONG code, void *buffer, ULONG input, ULONG output, ULONG_PTR *returned)
{
    struct target_request request = {0};
    struct target_answer *answer = buffer;
    NTSTATUS status = STATUS_SUCCESS;
    ULONG result = 0, length = 0, i;

    if (code == TARGET_SECURITY) {
        struct target_driver driver;

        if (input != sizeof driver)
            return STATUS_INFO_LENGTH_MISMATCH;
        RtlCopyMemory(&driver, buffer, sizeof driver);
        status = security(&driver, buffer, output, &length);
        *returned = status ? 0 : length;
        return status;
    }
    if (input != sizeof request || output != sizeof *answer)
        return STATUS_INFO_LENGTH_MISMATCH;
    RtlCopyMemory(&request, buffer, sizeof request);
    switch (code) {
    case TARGET_LOOK: break;
    case TARGET_STORE: store(&request); break;
    case TARGET_CONNECT: result = limiter_connect(); break;
    case TARGET_RETRY: result = limiter_retry(); break;
    case TARGET_CONNECTED: limiter_connected(); break;
    case TARGET_REFUSED: limiter_refused(); break;
    case TARGET_HOOK: status = hook(request.value != 0); break;
    default: return STATUS_INVALID_DEVICE_REQUEST;
    }
    if (status)
        return status;
    answer->result = result;
    for (i = 0; i < VARIABLES; i++)
        answer->variables[i] = variables()[i];
    *returned = sizeof *answer;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch(DEVICE_OBJECT *device, IRP *irp)
{
    IO_STACK_LOCATION *stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status = STATUS_SUCCESS;
    ULONG_PTR returned = 0;

    if (stack->MajorFunction == IRP_MJ_DEVICE_CONTROL)
        status = serve(stack->Parameters.DeviceIoControl.IoControlCode,
                       irp->AssociatedIrp.SystemBuffer,
                       stack->Parameters.DeviceIoControl.InputBufferLength,
                       stack->Parameters.DeviceIoControl.OutputBufferLength, &returned);
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = returned;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static void NTAPI unload(DRIVER_OBJECT *driver)
{
    UNICODE_STRING link;

    RtlInitUnicodeString(&link, LINK);
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(driver->DeviceObject);
}

__attribute__((section("INIT"))) NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver,
                                                           UNICODE_STRING *path)
{
    UNICODE_STRING name, link;
    DEVICE_OBJECT *device;
    NTSTATUS status;

    RtlInitUnicodeString(&name, DEVICE);
    RtlInitUnicodeString(&link, LINK);
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (status)
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (status) {
        IoDeleteDevice(device);
        return status;
    }
    limiter_start();
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}
