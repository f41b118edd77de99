#define _GNU_SOURCE
#include "line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// libedit's functions are variadic, and its hooks want functions of C: what Swift cannot call is called here.
// <https://www.thrysoee.dk/editline/>, editline(3).

struct mt_editor {
  EditLine *edit;
  History *history;
  HistEvent event;
  mt_editor_complete complete;
  void *context;
  const char *prompt;
  const char *text;
  size_t count;
  char *completed;  // the line as the last Tab left it
  int listed;
  int changed;
  int interrupted;
};

static mt_editor *of(EditLine *edit) {
  mt_editor *editor = NULL;
  el_get(edit, EL_CLIENTDATA, &editor);
  return editor;
}

static char *prompt(EditLine *edit) { return (char *)of(edit)->prompt; }

/// Ctrl-C is a character while a line is edited: the line is given up, the program is not.
static unsigned char interrupt(EditLine *edit, int character) {
  (void)character;
  mt_editor *editor = of(edit);
  const LineInfo *line = el_line(edit);
  editor->interrupted = 1;
  editor->count = (size_t)(line->lastchar - line->buffer);
  return CC_EOF;
}

static unsigned char complete(EditLine *edit, int character) {
  mt_editor *editor = of(edit);
  (void)character;
  const LineInfo *line = el_line(edit);
  size_t count = (size_t)(line->lastchar - line->buffer), cursor = (size_t)(line->cursor - line->buffer);
  char *copy = strndup(line->buffer, count);
  if (copy == NULL) return CC_ERROR;
  int again = editor->completed != NULL && strcmp(editor->completed, copy) == 0;
  editor->listed = 0;
  editor->changed = 0;
  editor->complete(editor->context, editor, copy, count, cursor, again);
  free(copy);
  line = el_line(edit);
  free(editor->completed);
  editor->completed = strndup(line->buffer, (size_t)(line->lastchar - line->buffer));
  if (editor->listed) return CC_REDISPLAY;
  return editor->changed ? CC_REFRESH : CC_NORM;
}

void mt_editor_replace(mt_editor *editor, int32_t characters, const char *text) {
  if (characters > 0) el_deletestr(editor->edit, characters);
  if (*text != 0) el_insertstr(editor->edit, text);
  editor->changed = 1;
}

void mt_editor_list(mt_editor *editor, const char *text) {
  fprintf(stdout, "\n%s", text);
  fflush(stdout);
  editor->listed = 1;
}

mt_editor *mt_editor_open(int32_t history_max, mt_editor_complete complete_line, void *context) {
  setlocale(LC_CTYPE, "");
  if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
  mt_editor *editor = calloc(1, sizeof *editor);
  if (editor == NULL) return NULL;
  editor->complete = complete_line;
  editor->context = context;
  editor->history = history_init();
  editor->edit = el_init("moontide", stdin, stdout, stderr);
  if (editor->edit == NULL || editor->history == NULL) {
    mt_editor_close(editor);
    return NULL;
  }
  history(editor->history, &editor->event, H_SETSIZE, (int)history_max);
  history(editor->history, &editor->event, H_SETUNIQUE, 1);
  el_set(editor->edit, EL_CLIENTDATA, editor);
  el_set(editor->edit, EL_PROMPT, prompt);
  el_set(editor->edit, EL_EDITOR, "emacs");
  el_set(editor->edit, EL_HIST, history, editor->history);
  el_set(editor->edit, EL_ADDFN, "moontide-complete", "complete the word", complete);
  el_set(editor->edit, EL_ADDFN, "moontide-interrupt", "give the line up", interrupt);
  // First what a person set up for all programs, then what this one needs.
  el_source(editor->edit, NULL);
  el_set(editor->edit, EL_BIND, "^I", "moontide-complete", NULL);
  el_set(editor->edit, EL_BIND, "^C", "moontide-interrupt", NULL);
  el_set(editor->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_set(editor->edit, EL_SETTY, "-d", "-isig", NULL);
  return editor;
}

void mt_editor_close(mt_editor *editor) {
  if (editor->edit != NULL) el_end(editor->edit);
  if (editor->history != NULL) history_end(editor->history);
  free(editor->completed);
  free(editor);
}

int32_t mt_editor_read(mt_editor *editor, const char *shown) {
  editor->prompt = shown;
  editor->interrupted = 0;
  free(editor->completed);
  editor->completed = NULL;
  el_resize(editor->edit);
  // Before the prompt is seen: what is typed at it is a character, Ctrl-C and Ctrl-D too.
  el_set(editor->edit, EL_PREP_TERM, 1);
  int count = 0;
  const char *line = el_gets(editor->edit, &count);
  if (editor->interrupted) return MT_EDITOR_INTERRUPTED;
  if (line == NULL) return count < 0 ? MT_EDITOR_FAILED : MT_EDITOR_END;
  if (count <= 0) return MT_EDITOR_END;
  editor->text = line;
  editor->count = (size_t)count;
  while (editor->count > 0 && (line[editor->count - 1] == '\n' || line[editor->count - 1] == '\r')) {
    editor->count--;
  }
  return MT_EDITOR_LINE;
}

const char *mt_editor_text(const mt_editor *editor, size_t *count) {
  *count = editor->count;
  return editor->text;
}

void mt_editor_remember(mt_editor *editor, const char *line) {
  history(editor->history, &editor->event, H_ENTER, line);
}
