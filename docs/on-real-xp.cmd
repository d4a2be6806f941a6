@echo off
rem Tests tcplimit on a real Windows XP, XP x64 or Server 2003, and then undoes all
rem its changes. ON-REAL-XP.txt (docs/on-real-xp.md) describes the tests.
rem
rem   on-real-xp             tests everything; asks before it loads or writes anything
rem   on-real-xp /y          does not ask
rem   on-real-xp verifier    second part: turns on Driver Verifier and full dumps from
rem                          the next start on; then run on-real-xp again
rem   on-real-xp finish      ends the second part
rem
rem At the first unexpected result it stops, undoes its changes, and exits with 1.
rem It writes everything to on-real-xp.log in its own folder.
setlocal enableextensions
pushd "%~dp0"
set LOG=on-real-xp.log
set KEPT=on-real-xp.old
set GOT_FILE=on-real-xp.tmp
set EVENTS=on-real-xp.4226
set SERVICE=HKLM\SYSTEM\CurrentControlSet\Services\TcpLimit
set CRASH=HKLM\SYSTEM\CurrentControlSet\Control\CrashControl
set DRIVER=%SystemRoot%\system32\drivers\tcplimit.sys
set STEP=0
set INSTALLED=no

if /i "%~1"=="verifier" goto verifier
if /i "%~1"=="finish" goto finish
if "%~1"=="" goto begin
if /i "%~1"=="/y" goto begin
echo on-real-xp: unknown argument "%~1". Use no argument, /y, verifier or finish.
popd
exit /b 2

:begin
> "%LOG%" echo tcplimit on a real machine
>>"%LOG%" ver
>>"%LOG%" echo %DATE% %TIME% %PROCESSOR_ARCHITECTURE% %NUMBER_OF_PROCESSORS% processors
if not exist tcplimit.exe (
  call :print "tcplimit.exe is missing: run this script in the folder of the release."
  goto failed
)
if not exist tcplimit.sys (
  call :print "tcplimit.sys is missing: run this script in the folder of the release."
  goto failed
)
reg query "%SERVICE%" >nul 2>&1
if not errorlevel 1 (
  call :print "tcplimit is installed: run tcplimit uninstall, restart Windows, and try again."
  goto failed
)

call :print "First, the steps that only read files."
call :run 0 version
if errorlevel 1 goto unexpected
call :run 0 probe
if errorlevel 1 goto unexpected
call :run 1 probe tcplimit.sys
if errorlevel 1 goto unexpected
call :run 2 set
if errorlevel 1 goto unexpected

call :print "Next, the script loads the driver, which only reads."
if /i "%~1"=="/y" goto load
set GO=
set /p GO=Save all open work first. Go on? [y/N] 
if /i not "%GO%"=="y" (
  call :print "Stopped at your request: nothing was loaded."
  popd
  exit /b 0
)
:load
set INSTALLED=yes
call :run 0 install
if errorlevel 1 goto unexpected
call :run 0 status
if errorlevel 1 goto unexpected
call :limit 10
if errorlevel 1 goto unexpected
call :run 0 probe
if errorlevel 1 goto unexpected
call :print "The driver must refuse this set, because the limit is not 11."
call :run 1 set 100 --expect 11
if errorlevel 1 goto unexpected
call :limit 10
if errorlevel 1 goto unexpected

call :print "Now the driver writes the limit."
call :run 0 set 100
if errorlevel 1 goto unexpected
call :limit 100
if errorlevel 1 goto unexpected
call :print "The limit stays at 100 for a minute: open some pages in a browser."
call :run 0 who --every
if errorlevel 1 goto unexpected
ping -n 61 127.0.0.1 >nul
call :limit 100
if errorlevel 1 goto unexpected
call :watch
if errorlevel 1 goto unexpected
call :run 0 status
if errorlevel 1 goto unexpected

call :print "After unload and load, the driver must know its own limit."
call :run 0 unload
if errorlevel 1 goto unexpected
call :run 0 load
if errorlevel 1 goto unexpected
call :limit 100
if errorlevel 1 goto unexpected
call :run 0 set 50
if errorlevel 1 goto unexpected
call :limit 50
if errorlevel 1 goto unexpected
call :run 0 reset
if errorlevel 1 goto unexpected
call :limit 10
if errorlevel 1 goto unexpected

call :print "Twenty times: set and reset."
for /l %%n in (1,1,20) do call :again %%n
if not "%AGAIN%"=="20" goto unexpected
call :limit 10
if errorlevel 1 goto unexpected

call :print "Last, the script uninstalls the driver."
call :run 0 uninstall
if errorlevel 1 goto unexpected
set INSTALLED=no
reg query "%SERVICE%" >nul 2>&1
if not errorlevel 1 (
  call :print "The service is still registered."
  goto unexpected
)
if exist "%DRIVER%" (
  call :print "The driver's file is still there."
  goto unexpected
)
call :print "All %STEP% steps gave the expected results. All changes are undone."
call :print "Please read on-real-xp.log through, and send it."
del "%GOT_FILE%" 2>nul
popd
exit /b 0

rem --- runs tcplimit, which must exit with CODE: call :run CODE ARGUMENTS...
:run
set WANT=%1
set ARGUMENTS=
:collect
shift
if "%~1"=="" goto collected
set ARGUMENTS=%ARGUMENTS% %1
goto collect
:collected
set /a STEP=STEP+1
echo %STEP%. tcplimit%ARGUMENTS%
>>"%LOG%" echo.
>>"%LOG%" echo %STEP%. tcplimit%ARGUMENTS%
.\tcplimit.exe%ARGUMENTS% >>"%LOG%" 2>&1
set GOT=%ERRORLEVEL%
>>"%LOG%" echo    code %GOT%, expected %WANT%
if "%GOT%"=="%WANT%" exit /b 0
call :print "Step %STEP% exited with %GOT%, not with %WANT%."
exit /b 1

rem --- the limit must be NUMBER: call :limit NUMBER
:limit
set /a STEP=STEP+1
set SEEN=
.\tcplimit.exe get > "%GOT_FILE%" 2>>"%LOG%"
set GOT=%ERRORLEVEL%
set /p SEEN=<"%GOT_FILE%"
echo %STEP%. the limit is %SEEN%
>>"%LOG%" echo.
>>"%LOG%" echo %STEP%. the limit is %SEEN%, expected %1, code %GOT%
if not "%GOT%"=="0" goto limit_wrong
if "%SEEN%"=="%1" exit /b 0
:limit_wrong
call :print "Step %STEP%: the limit is not %1."
exit /b 1

rem --- watch ends when its reader does; by then it has begun its log
:watch
set /a STEP=STEP+1
echo %STEP%. tcplimit watch --log %EVENTS%
>>"%LOG%" echo.
>>"%LOG%" echo %STEP%. tcplimit watch --log %EVENTS%
.\tcplimit.exe watch --log %EVENTS% 2>>"%LOG%" | set /p SEEN=
find "tcplimit watch begins" %EVENTS% >>"%LOG%" 2>&1
if errorlevel 1 goto watch_wrong
del %EVENTS%
exit /b 0
:watch_wrong
call :print "Step %STEP%: watch did not begin its log."
exit /b 1

rem --- one more set and reset; AGAIN is the number of the last good one
:again
set /a BEFORE=%1-1
if "%1"=="1" set AGAIN=0
if not "%AGAIN%"=="%BEFORE%" exit /b 1
set /a OTHER=1000+%1
call :run 0 set %OTHER%
if errorlevel 1 exit /b 1
call :run 0 reset
if errorlevel 1 exit /b 1
set AGAIN=%1
exit /b 0

:print
echo %~1
>>"%LOG%" echo.
>>"%LOG%" echo %~1
exit /b 0

rem --- undoes all changes
:unexpected
call :print "This result is not as expected, so the script stops here."
if "%INSTALLED%"=="no" goto failed
call :print "It resets the limit and removes the driver."
.\tcplimit.exe status >>"%LOG%" 2>&1
.\tcplimit.exe reset >>"%LOG%" 2>&1
.\tcplimit.exe uninstall >>"%LOG%" 2>&1
if errorlevel 1 (
  call :print "tcplimit uninstall failed: restart, then run tcplimit repair and tcplimit uninstall."
) else (
  call :print "The driver is removed. After a restart the limit is certainly 10 again."
)
:failed
call :print "Please read on-real-xp.log through, and send it."
del "%GOT_FILE%" 2>nul
popd
exit /b 1

rem --- the second part
:verifier
if exist "%KEPT%" (
  echo Driver Verifier is on already.
  echo Restart, run on-real-xp, then run on-real-xp finish.
  popd
  exit /b 1
)
set OLD=
for /f "tokens=3" %%v in ('reg query "%CRASH%" /v CrashDumpEnabled ^| find "CrashDumpEnabled"') do set OLD=%%v
if "%OLD%"=="" (
  echo Can't read CrashDumpEnabled from the registry: nothing was changed.
  popd
  exit /b 1
)
> "%KEPT%" echo %OLD%
reg add "%CRASH%" /v CrashDumpEnabled /t REG_DWORD /d 2 /f >nul
if errorlevel 1 goto verifier_failed
rem It exits with 0 or 2 (works after a restart) on success, and with 1 on failure.
verifier /standard /driver tcplimit.sys
if "%ERRORLEVEL%"=="1" goto verifier_failed
echo From the next start on, Driver Verifier checks the driver, and Windows writes a
echo full dump if it stops. Restart, run on-real-xp, then run on-real-xp finish.
popd
exit /b 0
:verifier_failed
reg add "%CRASH%" /v CrashDumpEnabled /t REG_DWORD /d %OLD% /f >nul
del "%KEPT%"
echo Can't turn on Driver Verifier: run this script as an Administrator.
popd
exit /b 1

:finish
if not exist "%KEPT%" (
  echo The second part has not begun: run on-real-xp verifier first.
  popd
  exit /b 1
)
set OLD=
set /p OLD=<"%KEPT%"
verifier /reset
reg add "%CRASH%" /v CrashDumpEnabled /t REG_DWORD /d %OLD% /f >nul
if errorlevel 1 (
  echo Can't set CrashDumpEnabled back to %OLD%: run this script as an Administrator.
  popd
  exit /b 1
)
del "%KEPT%"
echo Driver Verifier is off from the next start on. CrashDumpEnabled is %OLD% again.
popd
exit /b 0
