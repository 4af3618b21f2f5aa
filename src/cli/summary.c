#include "cli/summary.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/text.h"

static void print_amount(const char *verb, const b10_report *report)
{
    char count[TEXT_SIZE];
    char size[TEXT_SIZE];
    printf("%s %s, %s", verb, text_count(report->files, "file", "files", count),
           text_size(report->content_bytes, size));
}

static void print_place(const char *preposition, const b10_report *report, const char *path)
{
    printf(" in %.2f s %s ", (double)report->wall_ns / 1e9, preposition);
    text_put(stdout, path);
    putchar('\n');
}

static void print_remark(uint64_t count, const char *thing, const char *things, const char *remark)
{
    char text[TEXT_SIZE];
    if (count > 0)
        printf("  %s %s\n", text_count(count, thing, things, text), remark);
}

static void print_sentence(enum summary_kind kind, const b10_report *report)
{
    char size[TEXT_SIZE];
    switch (kind) {
    case SUMMARY_LOAD:
        print_amount("loaded", report);
        print_place("from", report, report->archive);
        break;
    case SUMMARY_SAVE:
        print_amount("saved", report);
        printf(" as %s", text_size(report->archive_bytes, size));
        print_place("to", report, report->archive);
        break;
    case SUMMARY_CLEAR:
        fputs("cleared ", stdout);
        text_put(stdout, report->destination);
        printf(" in %.2f s\n", (double)report->wall_ns / 1e9);
        break;
    }
}

static void print_remarks(const b10_report *report)
{
    print_remark(report->existing, "entry", "entries", "kept as found locally");
    print_remark(report->merged_files, "file", "files", "were there already and stay");
    print_remark(report->relocated_files, "file", "files", "adapted to the paths here");
    print_remark(report->unrelocated_files, "file", "files",
                 "keep paths of their saver: not usable here");
    print_remark(report->left_out_changed, "file", "files",
                 "left out: changed or vanished while being read");
    print_remark(report->left_out_torn, "file", "files", "left out: evidently truncated");
    print_remark(report->left_out_unsafe, "entry", "entries",
                 "left out: leaves its root or exceeds a limit");
    print_remark(report->roots_left_out, "further root", "further roots", "left out");
    print_remark(report->archives_set_aside, "damaged archive", "damaged archives", "set aside");
    if (report->fallback) {
        fputs("  in place of the archive of this environment; ", stdout);
        text_put(stdout, report->difference);
        putchar('\n');
    }
}

void summary_add_report(struct document *document, const b10_report *report)
{
    document_text(document, "environment_key", report->environment_key);
    document_text(document, "archive", report->archive);
    document_text(document, "destination", report->destination);
    document_count(document, "archive_bytes", report->archive_bytes);
    document_count(document, "content_bytes", report->content_bytes);
    document_count(document, "files", report->files);
    document_count(document, "directories", report->directories);
    document_count(document, "duplicates", report->duplicates);
    document_count(document, "existing", report->existing);
    document_count(document, "left_out_changed", report->left_out_changed);
    document_count(document, "left_out_torn", report->left_out_torn);
    document_count(document, "left_out_unsafe", report->left_out_unsafe);
    document_count(document, "roots_left_out", report->roots_left_out);
    document_count(document, "archives_set_aside", report->archives_set_aside);
    document_flag(document, "fallback", report->fallback);
    document_text(document, "difference", report->difference);
    document_count(document, "merged_files", report->merged_files);
    document_count(document, "relocated_files", report->relocated_files);
    document_count(document, "unrelocated_files", report->unrelocated_files);
    document_text(document, "archive_token", report->archive_token);
    document_count(document, "suspect", report->suspect);
    document_seconds(document, "seconds", report->wall_ns);
}

struct summary {
    enum summary_kind kind;
    const b10_report *report;
};

static void add_summary(struct document *document, const void *what)
{
    const struct summary *summary = what;
    summary_add_report(document, summary->report);
}

static void print_summary(const struct session *session, const void *what)
{
    const struct summary *summary = what;
    (void)session;
    print_sentence(summary->kind, summary->report);
    print_remarks(summary->report);
}

enum exit_code summary_print(struct session *session, enum summary_kind kind,
                             OperationStatus status, const b10_report *report,
                             const b10_error *error)
{
    const struct summary summary = {.kind = kind, .report = report};
    const struct answer answer = {.what = &summary,
                                  .add = add_summary,
                                  .print = print_summary,
                                  .quiet_hides = true};
    return session_answer(session, status, error, &answer);
}
