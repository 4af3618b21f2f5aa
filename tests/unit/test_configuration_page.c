/* docs/configuration.md holds the table of settings as it is in the library. With B10_UPDATE_DOCS
 * set, the table in the page is written instead of compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "settings/config.h"
#include "support/scratch.h"

static const char begin_mark[] = "<!-- table:";
static const char end_mark[] = "<!-- end of table -->";

static const char *page_path(void)
{
    static char path[4096];
    snprintf(path, sizeof(path), "%s", __FILE__);
    char *tests = strstr(path, "tests/unit/");
    assert_non_null(tests);
    snprintf(tests, sizeof(path) - (size_t)(tests - path), "docs/configuration.md");
    return path;
}

static char *read_page(void)
{
    FILE *file = fopen(page_path(), "re");
    if (file == NULL)
        fail_msg("cannot open %s", page_path());
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* `|` ends a cell and `<` begins a tag, unless they are escaped. */
static void add_cell(struct bytes *out, const char *text)
{
    assert_int_equal(bytes_append_text(out, " ", NULL), 0);
    for (; *text != '\0'; text++) {
        if (strchr("|<*", *text) != NULL)
            assert_int_equal(bytes_append_text(out, "\\", NULL), 0);
        assert_int_equal(bytes_append(out, text, 1, NULL), 0);
    }
    assert_int_equal(bytes_append_text(out, " |", NULL), 0);
}

static void make_table(struct bytes *out)
{
    struct b10_setting row;
    assert_int_equal(bytes_append_text(out,
                                       "\n| variable | default | values | meaning |\n"
                                       "|---|---|---|---|\n",
                                       NULL),
                     0);
    for (size_t i = 0; config_setting_at(i, &row); i++) {
        assert_int_equal(bytes_format(out, NULL, "| `%s` |", row.name), 0);
        add_cell(out, *row.default_value != '\0' ? row.default_value : "empty");
        add_cell(out, row.rule);
        add_cell(out, row.description);
        assert_int_equal(bytes_append_text(out, "\n", NULL), 0);
    }
    assert_int_equal(bytes_append_text(out, "\n", NULL), 0);
    assert_int_equal(bytes_terminate(out, NULL), 0);
}

static void write_page(const char *page, size_t head, const char *table, const char *tail)
{
    FILE *file = fopen(page_path(), "we");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)head, page, table, tail);
    assert_int_equal(fclose(file), 0);
}

static void the_page_holds_the_table_of_the_library(void **state)
{
    (void)state;
    SCOPED(heap) char *page = read_page();
    char *begin = strstr(page, begin_mark);
    assert_non_null(begin);
    char *start = strchr(begin, '\n') + 1;
    char *end = strstr(start, end_mark);
    assert_non_null(end);
    SCOPED(bytes) struct bytes table = BYTES_EMPTY;
    make_table(&table);
    size_t found = (size_t)(end - start);
    if (found == table.size && memcmp(start, table.data, found) == 0)
        return;
    if (getenv("B10_UPDATE_DOCS") == NULL)
        fail_msg("the table in %s is not the library's; B10_UPDATE_DOCS=1 rewrites it",
                 page_path());
    write_page(page, (size_t)(start - page), (const char *)table.data, end);
    print_message("%s rewritten\n", page_path());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_holds_the_table_of_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
