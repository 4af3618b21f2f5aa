#include "cache/prefixes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

/* A manifest of roots "main" and "other" with these origins, NULL-terminated. */
static void make(struct manifest *manifest, const char *const *main, const char *const *other)
{
    *manifest = (struct manifest)MANIFEST_EMPTY;
    for (; *main != NULL; main++)
        assert_int_equal(manifest_add_root(manifest, "main", *main, &error), 0);
    for (; other != NULL && *other != NULL; other++)
        assert_int_equal(manifest_add_root(manifest, "other", *other, &error), 0);
}

static void assert_moves(const struct prefixes *prefixes, size_t root, const char *path,
                         const char *expected)
{
    char moved[256] = "nothing known";
    const struct prefix *prefix = prefixes_find(prefixes, root, path, strlen(path));
    if (prefix != NULL && prefix->state == PREFIX_MOVED)
        snprintf(moved, sizeof(moved), "%s%s", prefix->to, path + prefix->length);
    else if (prefix != NULL)
        snprintf(moved, sizeof(moved), prefix->state == PREFIX_STAYS ? "stays" : "refused");
    assert_string_equal(moved, expected);
}

static void prefixes_are_whole_components(void **state)
{
    (void)state;
    struct manifest manifest;
    struct prefixes prefixes = PREFIXES_NONE;
    const struct relocate_place places[] = {{.fd = 0, .path = "/new/place"}};
    make(&manifest, (const char *const[]){"/old/a", NULL}, NULL);
    assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
    assert_true(prefixes.any_moved);
    assert_moves(&prefixes, 0, "/old/a", "/new/place");
    assert_moves(&prefixes, 0, "/old/a/", "/new/place/");
    assert_moves(&prefixes, 0, "/old/a/x", "/new/place/x");
    assert_moves(&prefixes, 0, "/old/ab/x", "nothing known");
    assert_moves(&prefixes, 0, "/old", "nothing known");
    assert_moves(&prefixes, 0, "old/a/x", "nothing known");
    assert_moves(&prefixes, 0, "x/old/a/x", "nothing known");
    assert_moves(&prefixes, 0, "", "nothing known");
    prefixes_release(&prefixes);
    manifest_release(&manifest);
}

static void the_longest_origin_wins_whichever_root_has_it(void **state)
{
    (void)state;
    struct manifest manifest;
    struct prefixes prefixes = PREFIXES_NONE;
    const struct relocate_place places[] = {{.fd = 0, .path = "/m/m"}, {.fd = 0, .path = "/o/o"}};
    make(&manifest, (const char *const[]){"/s/main", "/t/main", NULL},
         (const char *const[]){"/s/main/in", "/t/else", NULL});
    assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
    assert_moves(&prefixes, 0, "/s/main/x", "/m/m/x");
    assert_moves(&prefixes, 0, "/s/main/in/x", "/o/o/x");
    assert_moves(&prefixes, 1, "/s/main/inner/x", "/m/m/inner/x");
    assert_moves(&prefixes, 1, "/t/main/in/x", "/m/m/in/x");
    assert_moves(&prefixes, 0, "/t/else/x", "/o/o/x");
    prefixes_release(&prefixes);
    manifest_release(&manifest);
}

static void of_equal_origins_that_of_the_own_root_wins(void **state)
{
    (void)state;
    struct manifest manifest;
    struct prefixes prefixes = PREFIXES_NONE;
    const struct relocate_place places[] = {{.fd = 0, .path = "/m/m"}, {.fd = 0, .path = "/o/o"}};
    make(&manifest, (const char *const[]){"/s/a", NULL}, (const char *const[]){"/s/a", NULL});
    assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
    assert_moves(&prefixes, 0, "/s/a/x", "/m/m/x");
    assert_moves(&prefixes, 1, "/s/a/x", "/o/o/x");
    prefixes_release(&prefixes);
    manifest_release(&manifest);
}

static void what_is_here_stays_also_by_the_name_that_leads_here(void **state)
{
    (void)state;
    struct manifest manifest;
    struct prefixes prefixes = PREFIXES_NONE;
    const struct relocate_place places[] = {{.fd = 0, .path = "/real/a", .named = "/alias/a"}};
    make(&manifest, (const char *const[]){"/real/a", "/alias/a", NULL}, NULL);
    assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
    assert_false(prefixes.any_moved);
    assert_moves(&prefixes, 0, "/real/a/x", "stays");
    assert_moves(&prefixes, 0, "/alias/a/x", "stays");
    prefixes_release(&prefixes);
    manifest_release(&manifest);
}

static void a_root_that_is_left_out_moves_nothing(void **state)
{
    (void)state;
    struct manifest manifest;
    struct prefixes prefixes = PREFIXES_NONE;
    const struct relocate_place places[] = {{.fd = -1, .path = NULL}};
    make(&manifest, (const char *const[]){"/s/a", NULL}, NULL);
    assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
    assert_false(prefixes.any_moved);
    assert_moves(&prefixes, 0, "/s/a/x", "nothing known");
    prefixes_release(&prefixes);
    manifest_release(&manifest);
}

static void origins_that_prove_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"/one", "/", "//one//", "/a/../b", "/a/b/"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct manifest manifest;
        struct prefixes prefixes = PREFIXES_NONE;
        const struct relocate_place places[] = {{.fd = 0, .path = "/new/place"}};
        make(&manifest, (const char *const[]){bad[i], NULL}, NULL);
        assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
        assert_int_equal(prefixes.count, 1);
        assert_int_equal(prefixes.items[0].state, PREFIX_REFUSED);
        prefixes_release(&prefixes);
        manifest_release(&manifest);
    }
}

static void places_that_need_escaping_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"/a/b'c",   "/a/b\"c", "/a/b\\c",    "/a/b\nc",
                                      "/a/b\x7f", "/a/\xff", "/a/\xc2\x85"};
    static const char *const good[] = {"/a/b c", "/a/b\xc3\xa9", "/a/b,{}[]$`"};
    for (size_t i = 0; i < 7 + 3; i++) {
        struct manifest manifest;
        struct prefixes prefixes = PREFIXES_NONE;
        const struct relocate_place places[] = {{.fd = 0, .path = i < 7 ? bad[i] : good[i - 7]}};
        make(&manifest, (const char *const[]){"/old/a", NULL}, NULL);
        assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
        assert_int_equal(prefixes.items[0].state, i < 7 ? PREFIX_REFUSED : PREFIX_MOVED);
        assert_true(prefixes.any_moved);
        prefixes_release(&prefixes);
        manifest_release(&manifest);
    }
}

static void no_archive_makes_the_list_long(void **state)
{
    (void)state;
    struct manifest manifest = MANIFEST_EMPTY;
    struct prefixes prefixes = PREFIXES_NONE;
    const struct relocate_place places[] = {{.fd = 0, .path = "/new/place"}};
    for (int i = 0; i < PREFIXES_LIMIT + 10; i++) {
        char origin[32];
        snprintf(origin, sizeof(origin), "/old/%d", i);
        assert_int_equal(manifest_add_root(&manifest, "main", origin, &error), 0);
    }
    assert_int_equal(prefixes_make(&prefixes, &manifest, places, &error), 0);
    assert_int_equal(prefixes.count, PREFIXES_LIMIT);
    prefixes_release(&prefixes);
    prefixes_release(&prefixes);
    manifest_release(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes_are_whole_components),
        cmocka_unit_test(the_longest_origin_wins_whichever_root_has_it),
        cmocka_unit_test(of_equal_origins_that_of_the_own_root_wins),
        cmocka_unit_test(what_is_here_stays_also_by_the_name_that_leads_here),
        cmocka_unit_test(a_root_that_is_left_out_moves_nothing),
        cmocka_unit_test(origins_that_prove_nothing_are_refused),
        cmocka_unit_test(places_that_need_escaping_are_refused),
        cmocka_unit_test(no_archive_makes_the_list_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
