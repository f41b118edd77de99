#ifndef MOONTIDE_LINE_EDITOR_H
#define MOONTIDE_LINE_EDITOR_H

// A line of text from a person at a terminal, by libedit: editing, history, search, completion. One editor a
// process, of one thread. And the program that long answers are shown with.

#include <stddef.h>
#include <stdint.h>

typedef struct mt_editor mt_editor;

enum { MT_EDITOR_END = 0, MT_EDITOR_LINE = 1, MT_EDITOR_INTERRUPTED = 2, MT_EDITOR_FAILED = 3 };

/// Asked on Tab, on the thread that reads: `line` has `count` bytes of UTF-8, the cursor is before byte `cursor`.
/// Answers with `mt_editor_replace` and `mt_editor_list`. `again` is 1 when nothing was typed since the last Tab.
typedef void (*mt_editor_complete)(
    void *context, mt_editor *editor, const char *line, size_t count, size_t cursor, int32_t again);

/// Takes the locale of the environment, or one with UTF-8 when that has none. NULL when stdin is no terminal
/// that libedit can use.
mt_editor *mt_editor_open(int32_t history_max, mt_editor_complete complete, void *context);
void mt_editor_close(mt_editor *editor);

/// Reads one line; MT_EDITOR_LINE leaves it in `mt_editor_text`, without its newline, until the next call. After
/// MT_EDITOR_INTERRUPTED its count says how long the line was that was given up.
int32_t mt_editor_read(mt_editor *editor, const char *prompt);
const char *mt_editor_text(const mt_editor *editor, size_t *count);

/// Adds a line to the history of this process.
void mt_editor_remember(mt_editor *editor, const char *line);

/// Puts `text` in the place of so many characters before the cursor.
void mt_editor_replace(mt_editor *editor, int32_t characters, const char *text);
/// Writes lines below the one that is edited, which is then drawn again.
void mt_editor_list(mt_editor *editor, const char *text);

/// Starts a shell with `command`; what is written to the descriptor that it returns is the command's input. -1 and
/// `errno` when it could not be started.
int32_t mt_pager_start(const char *command, int32_t *process);
/// Waits for its end; returns 0 when it ended, 1 when a signal came meanwhile.
int32_t mt_pager_wait(int32_t process);

#endif
