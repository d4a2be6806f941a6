/* Makes up for two things in which Wine 8 is no NT kernel. Loaded before the
 * other drivers, it gives each of them functions of its own in place of two that
 * they import:
 *
 * ExIsProcessorFeaturePresent, which version 0.1.0 imports on x86: Wine has none
 * there, and a call of it ends the process of all drivers;
 *
 * IoDeleteDevice, which waits until all that was sent before was served. NT
 * unloads a driver when its last handle is closed and the driver was told so.
 * Wine unloads it at once, and may then tell it so where its code was. */

#include <ntddk.h>
#include <ntimage.h>

NTSYSAPI NTSTATUS NTAPI ZwWaitForSingleObject(HANDLE, BOOLEAN, PLARGE_INTEGER);
NTSYSAPI IMAGE_NT_HEADERS *NTAPI RtlImageNtHeader(PVOID);

#define DEVICE L"\\Device\\TcpLimitMend"
#define ROUND_TRIP CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

typedef NTSTATUS(NTAPI *protect)(HANDLE, PVOID *, SIZE_T *, ULONG, ULONG *);

/* Where every process sees which features the processor has
 * (KUSER_SHARED_DATA.ProcessorFeatures). */
#define PROCESSOR_FEATURES ((const volatile UCHAR *)0x7FFE0274)

static BOOLEAN NTAPI is_feature_present(ULONG feature)
{
    return feature < PROCESSOR_FEATURE_MAX && PROCESSOR_FEATURES[feature];
}

/* Wine serves all drivers' requests in one thread, in the order in which they
 * were sent: when this one is served, all earlier ones were. (To open the device
 * is not enough: Wine does not wait for what the driver says to that.) */
static void NTAPI round_trip(PVOID context)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;
    HANDLE device;

    RtlInitUnicodeString(&name, DEVICE);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    if (NT_SUCCESS(ZwOpenFile(&device, FILE_READ_DATA | SYNCHRONIZE, &attributes, &io, 0,
                              FILE_SYNCHRONOUS_IO_NONALERT))) {
        ZwDeviceIoControlFile(device, NULL, NULL, NULL, &io, ROUND_TRIP, NULL, 0, NULL, 0);
        ZwClose(device);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* In a thread of its own, for the one that serves may hang (see README.md). */
static void NTAPI delete_device(DEVICE_OBJECT *device)
{
    LARGE_INTEGER five_seconds = {.QuadPart = -5 * 10000000};
    HANDLE thread;

    if (NT_SUCCESS(PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, round_trip,
                                        NULL))) {
        ZwWaitForSingleObject(thread, FALSE, &five_seconds);
        ZwClose(thread);
    }
    IoDeleteDevice(device);
}

static const struct {
    const char *name;
    ULONG_PTR routine;
} ours[] = {
    {"ExIsProcessorFeaturePresent", (ULONG_PTR)is_feature_present},
    {"IoDeleteDevice", (ULONG_PTR)delete_device},
};

static void replace(IMAGE_THUNK_DATA *import, ULONG_PTR routine)
{
    UNICODE_STRING name;
    protect change;
    PVOID page = import;
    SIZE_T size = sizeof *import;
    ULONG before;

    RtlInitUnicodeString(&name, L"ZwProtectVirtualMemory");
    change = (protect)(ULONG_PTR)MmGetSystemRoutineAddress(&name);
    if (!change || change((HANDLE)-1, &page, &size, PAGE_READWRITE, &before))
        return;
    import->u1.Function = routine;
    change((HANDLE)-1, &page, &size, before, &before);
}

/* Called for each driver between its load and its DriverEntry. */
static void NTAPI loaded(UNICODE_STRING *path, HANDLE process, IMAGE_INFO *image)
{
    UCHAR *base = image->ImageBase;
    IMAGE_DATA_DIRECTORY imports =
        RtlImageNtHeader(base)->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    IMAGE_IMPORT_DESCRIPTOR *module = (PVOID)(base + imports.VirtualAddress);
    ULONG i, k;

    if (!imports.VirtualAddress)
        return;
    for (; module->Name; module++) {
        IMAGE_THUNK_DATA *names = (PVOID)(base + module->OriginalFirstThunk);
        IMAGE_THUNK_DATA *addresses = (PVOID)(base + module->FirstThunk);

        for (i = 0; names[i].u1.AddressOfData; i++)
            for (k = 0; k < ARRAYSIZE(ours); k++) {
                IMAGE_IMPORT_BY_NAME *name = (PVOID)(base + names[i].u1.AddressOfData);

                if (!strcmp((const char *)name->Name, ours[k].name))
                    replace(&addresses[i], ours[k].routine);
            }
    }
}

static NTSTATUS NTAPI dispatch(DEVICE_OBJECT *device, IRP *irp)
{
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
    UNICODE_STRING name;
    DEVICE_OBJECT *device;
    NTSTATUS status;

    RtlInitUnicodeString(&name, DEVICE);
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (status)
        return status;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    /* Without DriverUnload, for it must stay. */
    return PsSetLoadImageNotifyRoutine(loaded);
}
