@echo off
rem Tries tcplimit on a real Windows XP, XP x64 or Server 2003, and leaves the
rem machine as it was. ON-REAL-XP.txt (docs/on-real-xp.md) says why.
rem
rem   on-real-xp             tries everything; asks before anything is loaded or written
rem   on-real-xp /y          does not ask
rem   on-real-xp verifier    second part: Driver Verifier and a full dump, from the
rem                          next start on; then try again
rem   on-real-xp finish      ends the second part
rem
rem It stops at the first surprise, undoes what it did, and exits with 1. All
rem that is said goes to on-real-xp.log beside it.
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
echo on-real-xp: what is "%~1"? Nothing, /y, verifier or finish.
popd
exit /b 2

:begin
> "%LOG%" echo tcplimit on a real machine
>>"%LOG%" ver
>>"%LOG%" echo %DATE% %TIME% %PROCESSOR_ARCHITECTURE% %NUMBER_OF_PROCESSORS% processors
if not exist tcplimit.exe (
  call :say "There is no tcplimit.exe beside this script: put it into the release's folder."
  goto failed
)
if not exist tcplimit.sys (
  call :say "There is no tcplimit.sys beside this script: put it into the release's folder."
  goto failed
)
reg query "%SERVICE%" >nul 2>&1
if not errorlevel 1 (
  call :say "tcplimit is installed already: tcplimit uninstall, restart, and try again."
  goto failed
)

call :say "First, what reads files only."
call :run 0 version
if errorlevel 1 goto surprise
call :run 0 probe
if errorlevel 1 goto surprise
call :run 1 probe tcplimit.sys
if errorlevel 1 goto surprise
call :run 2 set
if errorlevel 1 goto surprise

call :say "Now the driver is loaded. It looks, and writes nothing."
if /i "%~1"=="/y" goto load
set GO=
set /p GO=Go on? All open work should be saved. [y/N] 
if /i not "%GO%"=="y" (
  call :say "Ended as wished: nothing was loaded."
  popd
  exit /b 0
)
:load
set INSTALLED=yes
call :run 0 install
if errorlevel 1 goto surprise
call :run 0 status
if errorlevel 1 goto surprise
call :limit 10
if errorlevel 1 goto surprise
call :run 0 probe
if errorlevel 1 goto surprise
call :say "A set that must be refused: the limit is not 11."
call :run 1 set 100 --expect 11
if errorlevel 1 goto surprise
call :limit 10
if errorlevel 1 goto surprise

call :say "Now the limit is written."
call :run 0 set 100
if errorlevel 1 goto surprise
call :limit 100
if errorlevel 1 goto surprise
call :say "A minute under way: open some pages in a browser."
call :run 0 who --every
if errorlevel 1 goto surprise
ping -n 61 127.0.0.1 >nul
call :limit 100
if errorlevel 1 goto surprise
call :watch
if errorlevel 1 goto surprise
call :run 0 status
if errorlevel 1 goto surprise

call :say "Unloaded and loaded again, it knows its own limit."
call :run 0 unload
if errorlevel 1 goto surprise
call :run 0 load
if errorlevel 1 goto surprise
call :limit 100
if errorlevel 1 goto surprise
call :run 0 set 50
if errorlevel 1 goto surprise
call :limit 50
if errorlevel 1 goto surprise
call :run 0 reset
if errorlevel 1 goto surprise
call :limit 10
if errorlevel 1 goto surprise

call :say "Twenty times there and back."
for /l %%n in (1,1,20) do call :again %%n
if not "%AGAIN%"=="20" goto surprise
call :limit 10
if errorlevel 1 goto surprise

call :say "And away with it."
call :run 0 uninstall
if errorlevel 1 goto surprise
set INSTALLED=no
reg query "%SERVICE%" >nul 2>&1
if not errorlevel 1 (
  call :say "The service is still registered."
  goto surprise
)
if exist "%DRIVER%" (
  call :say "The driver's file is still there."
  goto surprise
)
call :say "All %STEP% steps went as they should. The machine is as it was."
call :say "Please look on-real-xp.log through, and send it."
del "%GOT_FILE%" 2>nul
popd
exit /b 0

rem --- a command of tcplimit's: call :run CODE ARGUMENTS...
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
call :say "Step %STEP% ended with %GOT%, not with %WANT%."
exit /b 1

rem --- the limit must be: call :limit NUMBER
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
call :say "Step %STEP%: the limit is not %1."
exit /b 1

rem --- watch ends when nobody reads it any more, and its log is begun by then
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
call :say "Step %STEP%: watch did not begin its log."
exit /b 1

rem --- there and back once more; AGAIN is the last that went well
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

:say
echo %~1
>>"%LOG%" echo.
>>"%LOG%" echo %~1
exit /b 0

rem --- undo, and say so
:surprise
call :say "That was a surprise, so the rest is left out."
if "%INSTALLED%"=="no" goto failed
call :say "The driver is asked to put the limit back, and is removed."
.\tcplimit.exe status >>"%LOG%" 2>&1
.\tcplimit.exe reset >>"%LOG%" 2>&1
.\tcplimit.exe uninstall >>"%LOG%" 2>&1
if errorlevel 1 (
  call :say "tcplimit uninstall failed: after a restart, tcplimit repair, then tcplimit uninstall."
) else (
  call :say "It is removed. A restart makes sure that the limit is 10 again."
)
:failed
call :say "Please look on-real-xp.log through, and send it."
del "%GOT_FILE%" 2>nul
popd
exit /b 1

rem --- the second part
:verifier
if exist "%KEPT%" (
  echo It is on already: restart, on-real-xp, then on-real-xp finish.
  popd
  exit /b 1
)
set OLD=
for /f "tokens=3" %%v in ('reg query "%CRASH%" /v CrashDumpEnabled ^| find "CrashDumpEnabled"') do set OLD=%%v
if "%OLD%"=="" (
  echo CrashDumpEnabled can't be read: nothing was changed.
  popd
  exit /b 1
)
> "%KEPT%" echo %OLD%
reg add "%CRASH%" /v CrashDumpEnabled /t REG_DWORD /d 2 /f >nul
if errorlevel 1 goto verifier_failed
rem It says 0 or 2 (after a restart) where all is well, and 1 where it is not.
verifier /standard /driver tcplimit.sys
if "%ERRORLEVEL%"=="1" goto verifier_failed
echo From the next start on Windows watches the driver, and writes a dump if it stops.
echo Restart, on-real-xp, then on-real-xp finish.
popd
exit /b 0
:verifier_failed
reg add "%CRASH%" /v CrashDumpEnabled /t REG_DWORD /d %OLD% /f >nul
del "%KEPT%"
echo It could not be switched on: only an Administrator can.
popd
exit /b 1

:finish
if not exist "%KEPT%" (
  echo The second part was not begun.
  popd
  exit /b 1
)
set OLD=
set /p OLD=<"%KEPT%"
verifier /reset
reg add "%CRASH%" /v CrashDumpEnabled /t REG_DWORD /d %OLD% /f >nul
if errorlevel 1 (
  echo CrashDumpEnabled could not be set back to %OLD%: only an Administrator can.
  popd
  exit /b 1
)
del "%KEPT%"
echo It is off from the next start on, and CrashDumpEnabled is %OLD% again.
popd
exit /b 0
