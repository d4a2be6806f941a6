/* Another program of the desktop: finds the window of tcplimitw.exe, reads its texts, and presses
   its buttons, by messages and by keys. A line goes in, a line comes out. */

#define UNICODE
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <shellapi.h>
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
        putchar(*text == '\r' || *text == '\n' ? ' ' : *text < 0x7F ? *text : '?');
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
