/* bcryptprimitives.dll, which Rust's library for Windows 10 imports and Wine 8
 * lacks: random bytes, from where Wine has them. */

#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T length)
{
    return RtlGenRandom(bytes, (ULONG)length);
}
