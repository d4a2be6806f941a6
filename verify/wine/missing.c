/* What Wine 8 lacks of an NT kernel for x86 and the driver calls. A function
 * that is missing there ends the process of all drivers when it is called; this
 * driver, loaded before, puts a jump to one of its own where it begins. */

#include <ntddk.h>

typedef NTSTATUS(NTAPI *protect)(HANDLE, PVOID *, SIZE_T *, ULONG, ULONG *);

/* Where every process sees which features the processor has
 * (KUSER_SHARED_DATA.ProcessorFeatures). */
#define PROCESSOR_FEATURES ((const volatile UCHAR *)0x7FFE0274)

static BOOLEAN NTAPI is_feature_present(ULONG feature)
{
    return feature < PROCESSOR_FEATURE_MAX && PROCESSOR_FEATURES[feature];
}

static PVOID routine(PCWSTR text)
{
    UNICODE_STRING name;

    RtlInitUnicodeString(&name, text);
    return MmGetSystemRoutineAddress(&name);
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
    protect change = (protect)(ULONG_PTR)routine(L"ZwProtectVirtualMemory");
    UCHAR *code = routine(L"ExIsProcessorFeaturePresent");
    PVOID page = code;
    SIZE_T size = 5;
    ULONG before;
    NTSTATUS status;

    if (!change || !code)
        return STATUS_NOT_IMPLEMENTED;
    status = change((HANDLE)-1, &page, &size, PAGE_EXECUTE_READWRITE, &before);
    if (status)
        return status;
    code[0] = 0xE9;
    *(ULONG *)(code + 1) = (ULONG)(ULONG_PTR)is_feature_present - (ULONG)(ULONG_PTR)(code + 5);
    /* Without DriverUnload, for it must stay. */
    return change((HANDLE)-1, &page, &size, before, &before);
}
