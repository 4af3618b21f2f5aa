/* What `key --explain` adds: every stored archive beside this environment. */
#ifndef CLI_CMD_KEY_EXPLAIN_H
#define CLI_CMD_KEY_EXPLAIN_H

#include "cli/session.h"

void key_explain_print(const struct session *session, const b10_comparison_list *list);

/* "comparisons": a list, empty for NULL. */
void key_explain_add(struct document *document, const b10_comparison_list *list);

#endif
