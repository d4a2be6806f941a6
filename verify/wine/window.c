/* Another program of the desktop: finds the window of tcplimitw.exe, reads its texts, and presses
   its buttons, by messages and by keys. A line goes in, a line comes out. */

#define UNICODE
#define COBJMACROS
#include <windows.h>
#include <shlobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const WCHAR CLASS[] = L"tcplimitw";

/* In milliseconds: nothing takes this long. */
#define PATIENCE 20000

static HWND find(void)
{
    DWORD begin = GetTickCount();
    HWND window;

    while (!(window = FindWindowW(CLASS, NULL)) && GetTickCount() - begin < PATIENCE)
        Sleep(50);
    return window;
}

/* The message box of tcplimitw, if one is shown. */
static HWND box(void)
{
    return FindWindowW(L"#32770", L"tcplimit");
}

static HWND wait_for_box(void)
{
    DWORD begin = GetTickCount();
    HWND window;

    while (!(window = box()) && GetTickCount() - begin < PATIENCE)
        Sleep(20);
    return window;
}

/* Prints a text in one line of ASCII. */
static void print_text(const WCHAR *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs(" |", stdout);
        putchar(*text == '\r' || *text == '\n' || *text == '\t' ? ' ' : *text < 0x7F ? *text : '?');
    }
    putchar('\n');
}

static HWND control(int id)
{
    return GetDlgItem(FindWindowW(CLASS, NULL), id);
}

static void read_text(HWND window)
{
    static WCHAR text[4096];

    text[0] = 0;
    SendMessageW(window, WM_GETTEXT, sizeof text / sizeof *text, (LPARAM)text);
    print_text(text);
}

/* The text of a message box: its only static control with one. */
static void read_box(void)
{
    HWND window = wait_for_box(), part = NULL;
    WCHAR text[4096];

    while (window && (part = FindWindowExW(window, part, L"Static", NULL))) {
        text[0] = 0;
        SendMessageW(part, WM_GETTEXT, sizeof text / sizeof *text, (LPARAM)text);
        if (text[0]) {
            print_text(text);
            return;
        }
    }
    puts("none");
}

static void press_in_box(int id)
{
    HWND window = wait_for_box();
    DWORD begin = GetTickCount();

    PostMessageW(window, WM_COMMAND, id, 0);
    while (IsWindow(window) && GetTickCount() - begin < PATIENCE)
        Sleep(20);
    puts(IsWindow(window) ? "error=1" : "error=0");
}

static UINT key(WORD code, int with_control)
{
    INPUT input[4];
    int count = 0;

    memset(input, 0, sizeof input);
    if (with_control) {
        input[count].type = INPUT_KEYBOARD;
        input[count++].ki.wVk = VK_CONTROL;
    }
    input[count].type = INPUT_KEYBOARD;
    input[count++].ki.wVk = code;
    input[count].type = INPUT_KEYBOARD;
    input[count].ki.wVk = code;
    input[count++].ki.dwFlags = KEYEVENTF_KEYUP;
    if (with_control) {
        input[count].type = INPUT_KEYBOARD;
        input[count].ki.wVk = VK_CONTROL;
        input[count++].ki.dwFlags = KEYEVENTF_KEYUP;
    }
    return SendInput(count, input, sizeof *input);
}

/* Presses a key in the message box, which is gone then. */
static void key_in_box(WORD code)
{
    HWND window = wait_for_box();
    DWORD begin = GetTickCount();

    /* A second key would go to the window that has the keyboard after the box. */
    Sleep(300);
    key(code, 0);
    while (IsWindow(window) && GetTickCount() - begin < PATIENCE)
        Sleep(20);
    printf("box=%d\n", box() != NULL);
}

/* Who has the keyboard in the window's thread, by its number. */
static int focus(void)
{
    GUITHREADINFO info;

    memset(&info, 0, sizeof info);
    info.cbSize = sizeof info;
    GetGUIThreadInfo(GetWindowThreadProcessId(FindWindowW(CLASS, NULL), NULL), &info);
    return (int)GetWindowLongPtrW(info.hwndFocus, GWLP_ID);
}

/* Presses Tab until the first control has the keyboard again. */
static void tabs(void)
{
    int first = focus(), now = first, before, count = 0;
    DWORD begin;

    printf("order=%d", first);
    do {
        before = now;
        key(VK_TAB, 0);
        begin = GetTickCount();
        while ((now = focus()) == before && GetTickCount() - begin < 2000)
            Sleep(10);
        printf(",%d", now);
    } while (now != first && now != before && ++count < 20);
    putchar('\n');
}

static void clipboard(void)
{
    HANDLE memory;
    const WCHAR *text = NULL;

    if (OpenClipboard(NULL)) {
        memory = GetClipboardData(CF_UNICODETEXT);
        if (memory && (text = GlobalLock(memory))) {
            print_text(text);
            GlobalUnlock(memory);
        }
        CloseClipboard();
    }
    if (!text)
        puts("none");
}

/* Messages that must do nothing: those with addresses of the window's process. */
static void attack(void)
{
    static const struct {
        int id;
        UINT message;
    } messages[] = {
        { 1009, EM_SETWORDBREAKPROC },
        { 1009, EM_SETHANDLE },
        { 1009, 0x1501 },
        { 1013, 0x1605 },
        { 1019, 0x1030 },
        { 1010, 0x1701 },
    };
    unsigned i;
    DWORD_PTR answer;
    HWND window = FindWindowW(CLASS, NULL);

    for (i = 0; i < sizeof messages / sizeof *messages; i++)
        SendMessageTimeoutW(control(messages[i].id), messages[i].message, 0x41414141, 0x41414141,
                            SMTO_NORMAL, 5000, &answer);
    PostMessageW(window, WM_TIMER, 7, 0x41414141);
    /* A double click has the edit control look for the word's ends. */
    SendMessageTimeoutW(control(1009), WM_LBUTTONDBLCLK, 0, 0x00040004, SMTO_NORMAL, 5000, &answer);
    /* Keys of commands do nothing while the mouse is captured. */
    SendMessageTimeoutW(control(1009), WM_LBUTTONUP, 0, 0x00040004, SMTO_NORMAL, 5000, &answer);
    Sleep(300);
    printf("alive=%d\n", IsWindow(window)
           && SendMessageTimeoutW(window, WM_NULL, 0, 0, SMTO_NORMAL, 5000, &answer) != 0);
}

/* What the entry in the Start menu starts. */
static void link(void)
{
    WCHAR path[MAX_PATH], target[MAX_PATH] = {0}, folder[MAX_PATH] = {0};
    IShellLinkW *shortcut = NULL;
    IPersistFile *file = NULL;
    HRESULT result;

    SHGetFolderPathW(NULL, CSIDL_COMMON_PROGRAMS, NULL, 0, path);
    wcscat(path, L"\\tcplimit.lnk");
    if (GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES) {
        puts("there=0");
        return;
    }
    CoInitialize(NULL);
    result = CoCreateInstance(&CLSID_ShellLink, NULL, CLSCTX_INPROC_SERVER, &IID_IShellLinkW,
                              (void **)&shortcut);
    if (SUCCEEDED(result))
        result = IShellLinkW_QueryInterface(shortcut, &IID_IPersistFile, (void **)&file);
    if (SUCCEEDED(result))
        result = IPersistFile_Load(file, path, STGM_READ);
    if (SUCCEEDED(result)) {
        IShellLinkW_GetPath(shortcut, target, MAX_PATH, NULL, 0);
        IShellLinkW_GetWorkingDirectory(shortcut, folder, MAX_PATH);
    }
    printf("there=1 target=%ls folder=%ls\n", target, folder);
    if (file)
        IPersistFile_Release(file);
    if (shortcut)
        IShellLinkW_Release(shortcut);
    CoUninitialize();
}

/* So many ticks, each of them painted, and what the window has of GDI and USER afterwards. */
static void ticks(int count)
{
    HWND window = FindWindowW(CLASS, NULL);
    UINT objects = RegisterWindowMessageW(L"tcplimitw.objects");
    int i;

    for (i = 0; i < count; i++) {
        SendMessageW(window, WM_TIMER, 1, 0);
        /* What the tick has made invalid is painted before the next. */
        SendMessageW(control(1015), WM_PAINT, 0, 0);
    }
    printf("objects=%d\n", (int)SendMessageW(window, objects, 0, 0));
}

/* Sets a value below HKEY_CURRENT_USER. */
static LONG set_value(const WCHAR *name, const WCHAR *value, DWORD type, const void *data,
                      DWORD length)
{
    HKEY key;
    LONG error = RegCreateKeyExW(HKEY_CURRENT_USER, name, 0, NULL, 0, KEY_SET_VALUE, NULL, &key,
                                 NULL);

    if (error)
        return error;
    error = RegSetValueExW(key, value, 0, type, data, length);
    RegCloseKey(key);
    return error;
}

/* The colours of High Contrast, for programs that are started from now on. */
static void contrast(void)
{
    static const WCHAR *const colors[][2] = {
        { L"Window", L"0 0 0" },
        { L"WindowText", L"255 255 255" },
        { L"ButtonFace", L"0 0 0" },
        { L"ButtonText", L"255 255 255" },
        { L"ButtonShadow", L"192 192 192" },
        { L"ButtonHilight", L"255 255 255" },
        { L"GrayText", L"0 255 0" },
        { L"Hilight", L"128 0 128" },
        { L"HilightText", L"255 255 255" },
        { L"Menu", L"0 0 0" },
        { L"MenuBar", L"0 0 0" },
        { L"MenuText", L"255 255 255" },
    };
    unsigned i;
    LONG error = 0;

    for (i = 0; i < sizeof colors / sizeof *colors; i++)
        error |= set_value(L"Control Panel\\Colors", colors[i][0], REG_SZ, colors[i][1],
                           2 * (wcslen(colors[i][1]) + 1));
    printf("error=%d\n", (int)error);
}

static void run(char *line)
{
    char *words = strchr(line, ' ');
    HWND window = FindWindowW(CLASS, NULL);
    RECT area;

    if (words)
        *words++ = 0;
    else
        words = "";
    if (!strcmp(line, "window"))
        printf("there=%d\n", find() != NULL);
    else if (!strcmp(line, "gone")) {
        DWORD begin = GetTickCount();
        while (FindWindowW(CLASS, NULL) && GetTickCount() - begin < PATIENCE)
            Sleep(50);
        printf("there=%d\n", FindWindowW(CLASS, NULL) != NULL);
    } else if (!strcmp(line, "text"))
        read_text(control(atoi(words)));
    else if (!strcmp(line, "caption"))
        read_text(window);
    else if (!strcmp(line, "enabled"))
        printf("enabled=%d visible=%d\n", IsWindowEnabled(control(atoi(words))),
               IsWindowVisible(control(atoi(words))));
    else if (!strcmp(line, "press")) {
        /* Posted: the answer would wait for the message box. */
        PostMessageW(control(atoi(words)), BM_CLICK, 0, 0);
        puts("error=0");
    } else if (!strcmp(line, "type")) {
        WCHAR text[64];
        MultiByteToWideChar(CP_ACP, 0, words, -1, text, 64);
        SendMessageW(control(1009), WM_SETTEXT, 0, (LPARAM)text);
        puts("error=0");
    } else if (!strcmp(line, "choose")) {
        PostMessageW(window, WM_COMMAND, atoi(words), 0);
        puts("error=0");
    } else if (!strcmp(line, "box"))
        read_box();
    else if (!strcmp(line, "nobox"))
        printf("box=%d\n", box() != NULL);
    else if (!strcmp(line, "answer"))
        press_in_box(!strcmp(words, "yes") ? IDYES : !strcmp(words, "no") ? IDNO : IDOK);
    else if (!strcmp(line, "rows"))
        printf("rows=%d selected=%d\n", (int)SendMessageW(control(1019), LB_GETCOUNT, 0, 0),
               (int)SendMessageW(control(1019), LB_GETCURSEL, 0, 0));
    else if (!strcmp(line, "row")) {
        WCHAR text[1024];
        text[0] = 0;
        SendMessageW(control(1019), LB_GETTEXT, atoi(words), (LPARAM)text);
        print_text(text);
    } else if (!strcmp(line, "front")) {
        SetForegroundWindow(window);
        printf("front=%d\n", GetForegroundWindow() == window);
    } else if (!strcmp(line, "key"))
        printf("sent=%u\n", key((WORD)strtol(words, NULL, 16), 0));
    else if (!strcmp(line, "control"))
        printf("sent=%u\n", key((WORD)strtol(words, NULL, 16), 1));
    else if (!strcmp(line, "focus"))
        printf("focus=%d\n", focus());
    else if (!strcmp(line, "keybox"))
        key_in_box((WORD)strtol(words, NULL, 16));
    else if (!strcmp(line, "tabs"))
        tabs();
    else if (!strcmp(line, "clipboard"))
        clipboard();
    else if (!strcmp(line, "attack"))
        attack();
    else if (!strcmp(line, "link"))
        link();
    else if (!strcmp(line, "ticks"))
        ticks(atoi(words));
    else if (!strcmp(line, "contrast"))
        contrast();
    else if (!strcmp(line, "dpi")) {
        DWORD number = atoi(words);
        printf("error=%d\n", (int)set_value(L"Control Panel\\Desktop", L"LogPixels", REG_DWORD,
                                            &number, sizeof number));
    } else if (!strcmp(line, "theme")) {
        WCHAR *active = *words == '1' ? L"1" : L"0";
        printf("error=%d\n",
               (int)set_value(L"Software\\Microsoft\\Windows\\CurrentVersion\\ThemeManager",
                              L"ThemeActive", REG_SZ, active, 4));
    } else if (!strcmp(line, "select")) {
        HWND table = control(1019);
        SendMessageW(table, LB_SETCURSEL, atoi(words), 0);
        SendMessageW(window, WM_COMMAND, MAKEWPARAM(1019, LBN_SELCHANGE), (LPARAM)table);
        puts("error=0");
    } else if (!strcmp(line, "tab")) {
        int wanted = atoi(words), count = 0;
        while (focus() != wanted && count++ < 20) {
            int before = focus();
            DWORD begin = GetTickCount();
            key(VK_TAB, 0);
            while (focus() == before && GetTickCount() - begin < 2000)
                Sleep(10);
        }
        printf("focus=%d\n", focus());
    } else if (!strcmp(line, "process")) {
        static DWORD last;
        DWORD begin = GetTickCount(), process = 0;
        /* Another than the last time; it may be starting. */
        do {
            GetWindowThreadProcessId(FindWindowW(CLASS, NULL), &process);
            Sleep(20);
        } while ((!process || process == last) && GetTickCount() - begin < PATIENCE);
        printf("another=%d\n", process && process != last);
        last = process;
    } else if (!strcmp(line, "with")) {
        char *file = strchr(words, ' ');
        HINSTANCE started = NULL;
        if (file) {
            *file++ = 0;
            started = ShellExecuteA(NULL, "open", file, words, NULL, SW_SHOW);
        }
        printf("started=%d\n", (INT_PTR)started > 32);
    }
    else if (!strcmp(line, "size")) {
        GetWindowRect(window, &area);
        printf("width=%d height=%d\n", (int)(area.right - area.left),
               (int)(area.bottom - area.top));
    } else if (!strcmp(line, "graph")) {
        GetClientRect(control(1015), &area);
        printf("width=%d height=%d\n", (int)area.right, (int)area.bottom);
    } else if (!strcmp(line, "resize")) {
        int width = 0, height = 0;
        sscanf(words, "%d %d", &width, &height);
        SetWindowPos(window, NULL, 0, 0, width, height, SWP_NOZORDER);
        GetWindowRect(window, &area);
        printf("width=%d height=%d\n", (int)(area.right - area.left),
               (int)(area.bottom - area.top));
    } else if (!strcmp(line, "close")) {
        PostMessageW(window, WM_CLOSE, 0, 0);
        puts("error=0");
    } else if (!strcmp(line, "appear")) {
        DWORD begin = GetTickCount();
        while (!IsWindowVisible(window) && GetTickCount() - begin < PATIENCE)
            Sleep(20);
        printf("there=%d visible=%d\n", window != NULL, IsWindowVisible(window));
    } else if (!strcmp(line, "shown"))
        printf("there=%d visible=%d\n", window != NULL, IsWindowVisible(window));
    else if (!strcmp(line, "taskbar")) {
        SendMessageW(window, RegisterWindowMessageW(L"TaskbarCreated"), 0, 0);
        puts("error=0");
    } else if (!strcmp(line, "start")) {
        HINSTANCE started = ShellExecuteA(NULL, "open", words, NULL, NULL, SW_SHOW);
        printf("started=%d\n", (INT_PTR)started > 32);
    } else if (!strcmp(line, "sleep")) {
        Sleep(atoi(words));
        puts("error=0");
    } else
        puts("unknown");
}

int main(void)
{
    char line[512];

    setvbuf(stdout, NULL, _IONBF, 0);
    puts("ready");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        run(line);
    }
    return 0;
}
