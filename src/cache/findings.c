#include "cache/findings.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct findings *findings_new(void)
{
    struct findings *findings = calloc(1, sizeof(*findings));
    if (findings == NULL)
        return NULL;
    findings->list.struct_size = (uint32_t)sizeof(findings->list);
    findings->list.entry_size = (uint32_t)sizeof(findings->checks[0]);
    findings->list.checks = findings->checks;
    return findings;
}

void findings_add(struct findings *findings, const char *name, enum b10_verdict verdict,
                  const char *format, ...)
{
    assert(findings->list.total < FINDINGS_MOST);
    struct b10_check *check = &findings->checks[findings->list.total++];
    va_list arguments;
    va_start(arguments, format);
    (void)!vsnprintf(check->message, sizeof(check->message), format, arguments);
    va_end(arguments);
    snprintf(check->name, sizeof(check->name), "%s", name);
    check->verdict = (uint32_t)verdict;
    check->value = -1;
    if (findings->list.verdict < check->verdict)
        findings->list.verdict = check->verdict;
}

void findings_add_errno(struct findings *findings, const char *name, enum b10_verdict verdict,
                        int sys_errno, const char *format, ...)
{
    char text[800];
    struct b10_error words = ERROR_NONE;
    va_list arguments;
    va_start(arguments, format);
    (void)!vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)error_errno(&words, sys_errno, "%s", text);
    findings_add(findings, name, verdict, "%s", words.message);
}

void findings_measure(struct findings *findings, double value, const char *unit)
{
    assert(findings->list.total > 0);
    struct b10_check *check = &findings->checks[findings->list.total - 1];
    check->value = value;
    snprintf(check->unit, sizeof(check->unit), "%s", unit);
}
