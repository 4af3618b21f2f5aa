/* What load, save and clear did: a sentence for people, members for --json. */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include "cli/session.h"

enum summary_kind { SUMMARY_LOAD, SUMMARY_SAVE, SUMMARY_CLEAR };

/* Every member of a report. */
void summary_add_report(struct document *document, const b10_report *report);

/* Prints the outcome as the options ask and returns the exit code. */
enum exit_code summary_print(struct session *session, enum summary_kind kind,
                             OperationStatus status, const b10_report *report,
                             const b10_error *error);

#endif
