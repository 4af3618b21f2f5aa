#include "cli/run_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/report_file.h"
#include "cli/summary.h"

/* One of the operations; null if it was not tried. */
static void add_part(struct document *document, const char *name, bool tried,
                     const struct aide_result *result)
{
    if (!tried) {
        document_text(document, name, NULL);
        return;
    }
    struct document *part = document_object(document, name);
    document_text(part, "status", b10_status_name(result->status));
    document_text(part, "reason", b10_reason_name(result->error.code));
    document_message(part, "message", result->error.message);
    summary_add_report(part, &result->report);
}

static const char *warmth(const struct run_record *record)
{
    if (!record->settled)
        return NULL;
    if (!record->loaded_something)
        return "cold";
    return record->settle.serve.warmth == B10_WARMTH_WARM ? "warm" : "partly";
}

static struct document *make(const struct run_record *record)
{
    const b10_serve_report *settled = &record->settle.serve;
    struct document *document = document_new();
    document_text(document, "command", "run");
    document_count(document, "exit_code", (uint64_t)record->exit_code);
    document_count(document, "starts", record->starts);
    document_flag(document, "ready", record->ready);
    document_text(document, "warmth", warmth(record));
    document_text(document, "verdict", record->verdict);
    document_text(document, "refused", record->refused);
    document_count(document, "unloaded_files", record->unloaded_files);
    document_flag(document, "marked_suspect", record->marked);
    document_count(document, "local_files", settled->local_files);
    document_count(document, "new_files", settled->new_files);
    document_count(document, "new_bytes", settled->new_bytes);
    document_number(document, "start_seconds", record->start_seconds);
    document_number(document, "load_seconds", record->load_seconds);
    document_number(document, "ready_seconds", record->ready_seconds);
    document_number(document, "settle_seconds", record->settle_seconds);
    document_number(document, "save_seconds", record->save_seconds);
    document_number(document, "final_save_seconds", record->final_save_seconds);
    document_number(document, "seconds", record->seconds);
    add_part(document, "load", record->load_seconds >= 0, &record->load);
    add_part(document, "save", record->saved, &record->save);
    add_part(document, "final_save", record->final_saved, &record->final_save);
    return document;
}

bool run_report_write(const struct session *session, const struct run_record *record)
{
    const struct options *options = session->options;
    if (!options->json && options->report == NULL)
        return true;
    char *line = document_line(make(record));
    bool ok = line != NULL;
    if (ok && options->json)
        puts(line);
    if (ok && options->report != NULL)
        ok = report_file_write(options->report, line);
    free(line);
    return ok;
}
