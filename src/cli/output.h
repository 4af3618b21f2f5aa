/* The --json output: one object per command, written whole or not at all. The only file that
 * knows the JSON library.
 *
 *     document_new ──▶ document_text, _count, … ──▶ document_print ──▶ (gone)
 *
 * A member that cannot be stored (out of memory) makes document_print fail; nothing in between
 * need be checked. Strings are escaped by the rules of text.h. docs/json.md is the schema.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

struct document;

struct document *document_new(void); /* NULL is fine for every function below */

/* document_text: "" and NULL become null; document_message: "" stays "". */
void document_text(struct document *document, const char *name, const char *value);
void document_message(struct document *document, const char *name, const char *value);
void document_count(struct document *document, const char *name, uint64_t value);
void document_time(struct document *document, const char *name, int64_t value); /* 0: null */
void document_seconds(struct document *document, const char *name, uint64_t ns);
void document_number(struct document *document, const char *name, double value); /* < 0: null */
void document_flag(struct document *document, const char *name, bool value);

/* An empty list under `name`. document_row appends an object to the list added last; the row is
 * filled like a document and belongs to it. */
void document_list(struct document *document, const char *name);
struct document *document_row(struct document *document);

/* Appends a text to the list added last. */
void document_item(struct document *document, const char *value);

/* An empty object under `name`, filled like a document, which it belongs to. One at a time. */
struct document *document_object(struct document *document, const char *name);

/* Its text on one line, without a newline, to be freed; frees the document. NULL, with a line on
 * stderr, if memory ran out. */
char *document_line(struct document *document);

/* Writes to stdout and frees. False, with a line on stderr, if memory ran out; write errors are
 * found by main(). */
bool document_print(struct document *document);

#endif
