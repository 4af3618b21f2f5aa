/* Archives whose digests, sizes and counts are right, and whose members are not. */
#include <string.h>

#include "support/hostile.h"

static void begin(struct forge *forge)
{
    forge_init(forge);
    forge_directory(forge, "inductor/d");
    forge_file(forge, "inductor/d/good.py", "good\n");
}

/* Adds this one member to an honest archive and has it refused. */
static void refuse_member(void **state, const struct forge_tar *tar, const char *content,
                          unsigned reasons, const char *member)
{
    struct forge forge;
    begin(&forge);
    forge_add(&forge, tar, content);
    hostile_refused(*state, &forge, reasons, member);
}

static void refuse_file_named(void **state, const char *name, const char *member)
{
    struct forge_tar tar = {.name = name, .size = 4};
    refuse_member(state, &tar, "evil", REASON(UNSAFE) | REASON(CORRUPT), member);
}

static void dotdot_is_refused(void **state)
{
    refuse_file_named(state, "inductor/../../outside/evil", "../outside/evil");
    refuse_file_named(state, "inductor/d/../../../outside/evil", "outside/evil");
    refuse_file_named(state, "inductor/d/..", "d/..");
    refuse_file_named(state, "../outside/evil", "../outside/evil");
}

static void a_dotdot_that_stays_inside_is_refused(void **state)
{
    refuse_file_named(state, "inductor/d/../evil", "d/../evil");
}

static void absolute_paths_are_refused(void **state)
{
    struct scratch *scratch = *state;
    refuse_file_named(state, scratch_path(scratch, "outside/evil"), "outside/evil");
    refuse_file_named(state, "/etc/evil", "/etc/evil");
    refuse_file_named(state, "inductor//etc/evil", "etc/evil");
}

static void odd_components_are_refused(void **state)
{
    refuse_file_named(state, "inductor/./evil", "./evil");
    refuse_file_named(state, "inductor/d//evil", "d//evil");
    refuse_file_named(state, "inductor/.", "inductor/.");
    refuse_file_named(state, "./inductor/evil", "./inductor/evil");
}

static void a_component_of_256_bytes_is_refused(void **state)
{
    char name[300] = "inductor/";
    memset(name + 9, 'n', 256);
    refuse_file_named(state, name, "nnnn");
}

static void a_path_deeper_than_256_is_refused(void **state)
{
    char name[600] = "inductor";
    for (size_t i = 0; i < 256; i++)
        strcat(name, "/d");
    refuse_file_named(state, name, "inductor/d/d");
}

static void a_file_outside_every_root_is_refused(void **state)
{
    refuse_file_named(state, "elsewhere/evil", "elsewhere/evil");
    refuse_file_named(state, "inductor", "inductor");
    refuse_file_named(state, "INDUCTOR/evil", "INDUCTOR/evil");
}

static void a_file_in_no_directory_of_the_manifest_is_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/unknown/evil", .size = 4};
    refuse_member(state, &tar, "evil", REASON(CORRUPT), "unknown/evil");
}

static void refuse_symlink(void **state, const char *name, const char *target)
{
    struct forge_tar tar = {.name = name, .type = '2', .link = target, .mode = 0777};
    refuse_member(state, &tar, NULL, REASON(UNSAFE), name);
}

static void symlinks_out_of_their_root_are_refused(void **state)
{
    refuse_symlink(state, "inductor/evil", "../outside/secret");
    refuse_symlink(state, "inductor/d/evil", "../../headers/pch.h");
    refuse_symlink(state, "inductor/d/evil", "x/../../../outside");
    refuse_symlink(state, "inductor/evil", "..");
}

static void absolute_symlinks_are_refused(void **state)
{
    refuse_symlink(state, "inductor/evil", "/etc/passwd");
    refuse_symlink(state, "inductor/evil", "/");
}

static void a_symlink_without_a_target_is_refused(void **state)
{
    refuse_symlink(state, "inductor/evil", "");
}

/* Whichever of the two a worker meets first, nothing is written through the link. */
static void members_through_earlier_symlinks_are_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_symlink(&forge, "inductor/way", "d");
    forge_file(&forge, "inductor/way/evil", "evil");
    hostile_refused(*state, &forge, REASON(UNSAFE) | REASON(CORRUPT), "way/evil");

    begin(&forge);
    forge_file(&forge, "inductor/way/evil", "evil");
    forge_close_frame(&forge);
    forge_symlink(&forge, "inductor/way", "d");
    hostile_refused(*state, &forge, REASON(UNSAFE) | REASON(CORRUPT), "way/evil");
}

static void a_symlink_where_a_directory_is_announced_is_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_symlink(&forge, "inductor/d", "elsewhere");
    hostile_refused(*state, &forge, REASON(UNSAFE), "d");
}

static void links_to_elsewhere_are_refused(void **state)
{
    const char *targets[] = {
        "/etc/passwd",           "../outside/secret",  "inductor/../../outside/secret",
        "headers/pch.h",         "inductor/not/there", "inductor/d",
        "inductor/d/again/evil", "elsewhere/file"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        struct forge_tar tar = {.name = "inductor/d/evil",
                                .type = '1',
                                .link = targets[i],
                                .size = 5};
        refuse_member(state, &tar, NULL, REASON(UNSAFE), "d/evil");
    }
}

static void a_link_to_a_file_of_another_frame_is_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_close_frame(&forge);
    forge_link(&forge, "inductor/d/evil", "inductor/d/good.py", 5);
    hostile_refused(*state, &forge, REASON(UNSAFE), "d/evil");
}

static void a_link_to_itself_is_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/evil",
                            .type = '1',
                            .link = "inductor/evil",
                            .size = 5};
    refuse_member(state, &tar, NULL, REASON(UNSAFE), "inductor/evil");
}

static void a_link_to_a_symlink_is_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_symlink(&forge, "inductor/way", "d/good.py");
    forge_link(&forge, "inductor/d/evil", "inductor/way", 5);
    hostile_refused(*state, &forge, REASON(UNSAFE), "d/evil");
}

static void a_link_to_a_void_file_is_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_sliced(&forge, "inductor/torn", "0123456789", 10, 512, true);
    forge_link(&forge, "inductor/d/evil", "inductor/torn", 10);
    hostile_refused(*state, &forge, REASON(CORRUPT), "d/evil");
}

static void devices_fifos_and_unknown_types_are_refused(void **state)
{
    for (const char *type = "3467SLKVMDNXA"; *type != '\0'; type++) {
        struct forge_tar tar = {.name = "inductor/d/evil", .type = *type};
        refuse_member(state, &tar, NULL, REASON(UNSAFE), strchr("LKgx", *type) ? NULL : "d/evil");
    }
}

static void set_id_and_sticky_bits_are_refused(void **state)
{
    const unsigned modes[] = {04755, 02755, 01755, 06777, 04000};
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        struct forge_tar tar = {.name = "inductor/d/evil", .mode = modes[i], .size = 4};
        refuse_member(state, &tar, "evil", REASON(UNSAFE), "d/evil");
    }
    struct forge forge;
    begin(&forge);
    forge_announce_directory(&forge, "inductor/e");
    struct forge_tar tar = {.name = "inductor/e", .type = '5', .mode = 02755};
    forge_add(&forge, &tar, NULL);
    hostile_refused(*state, &forge, REASON(UNSAFE), "inductor/e");
}

static void duplicate_members_are_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/d/good.py", .size = 4};
    refuse_member(state, &tar, "evil", REASON(UNSAFE), "d/good.py");

    struct forge forge;
    begin(&forge);
    forge_close_frame(&forge);
    forge_add(&forge, &tar, "evil");
    hostile_refused(*state, &forge, REASON(UNSAFE), "d/good.py");

    begin(&forge);
    forge_link(&forge, "inductor/copy", "inductor/d/good.py", 5);
    forge_link(&forge, "inductor/copy", "inductor/d/good.py", 5);
    hostile_refused(*state, &forge, REASON(UNSAFE), "copy");

    begin(&forge);
    forge_symlink(&forge, "inductor/twice", "d");
    forge_symlink(&forge, "inductor/twice", "d");
    hostile_refused(*state, &forge, REASON(UNSAFE), "twice");
}

static void a_large_file_twice_is_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_sliced(&forge, "inductor/large", "0123456789", 10, 512, false);
    forge_sliced(&forge, "inductor/large", "0123456789", 10, 512, false);
    hostile_refused(*state, &forge, REASON(UNSAFE) | REASON(CORRUPT), "large");
}

static void a_large_file_and_a_small_one_of_its_name_are_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_sliced(&forge, "inductor/d/good.py", "0123456789", 10, 512, false);
    hostile_refused(*state, &forge, REASON(UNSAFE), "d/good.py");
}

static void a_file_where_a_directory_was_is_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/d", .size = 4};
    refuse_member(state, &tar, "evil", REASON(UNSAFE), "d");
}

static void a_directory_that_the_manifest_does_not_name_is_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_announce_directory(&forge, "inductor/other");
    struct forge_tar tar = {.name = "inductor/new", .type = '5'};
    forge_add(&forge, &tar, NULL);
    hostile_refused(*state, &forge, REASON(CORRUPT), "new");

    struct forge_tar more = {.name = "inductor/more", .type = '5'};
    refuse_member(state, &more, NULL, REASON(CORRUPT), NULL);
}

static void a_directory_where_a_file_is_is_refused(void **state)
{
    struct forge forge;
    begin(&forge);
    forge_directory(&forge, "inductor/d/good.py");
    hostile_refused(*state, &forge, REASON(UNSAFE), "d/good.py");

    begin(&forge);
    forge_announce_directory(&forge, "inductor/other");
    struct forge_tar tar = {.name = "inductor/d/good.py", .type = '5'};
    forge_add(&forge, &tar, NULL);
    hostile_refused(*state, &forge, REASON(CORRUPT), "d/good.py");
}

static void a_member_below_a_file_is_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/d/good.py/evil", .size = 4};
    refuse_member(state, &tar, "evil", REASON(UNSAFE) | REASON(CORRUPT), "good.py/evil");
}

static void refuse_pax(void **state, const char *records, unsigned reasons)
{
    struct forge_tar tar = {.name = "inductor/d/evil", .size = 4, .pax = records};
    refuse_member(state, &tar, "evil", reasons, NULL);
}

static void pax_sizes_are_refused(void **state)
{
    refuse_pax(state, "size=0", REASON(UNSAFE) | REASON(CORRUPT));
    refuse_pax(state, "size=4096", REASON(UNSAFE) | REASON(CORRUPT));
    refuse_pax(state, "size=99999999999999999999", REASON(UNSAFE) | REASON(CORRUPT));
    refuse_pax(state, "size=-1", REASON(UNSAFE) | REASON(CORRUPT));
}

static void pax_paths_keep_the_rules_of_paths(void **state)
{
    struct forge_tar tar = {.name = "inductor/d/fine",
                            .size = 4,
                            .pax = "path=inductor/../../outside/evil"};
    refuse_member(state, &tar, "evil", REASON(UNSAFE), "outside/evil");
    tar.pax = "path=/outside/evil";
    refuse_member(state, &tar, "evil", REASON(UNSAFE), "outside/evil");
    struct forge_tar link = {.name = "inductor/d/fine",
                             .type = '2',
                             .link = "good.py",
                             .pax = "linkpath=../../outside/secret"};
    refuse_member(state, &link, NULL, REASON(UNSAFE), "d/fine");
    link.type = '1';
    link.link = "inductor/d/good.py";
    link.size = 5;
    link.pax = "linkpath=/etc/passwd";
    refuse_member(state, &link, NULL, REASON(UNSAFE), "d/fine");
}

static void sparse_members_are_refused(void **state)
{
    refuse_pax(state, "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.realsize=1000000000",
               REASON(UNSAFE));
    refuse_pax(state, "GNU.sparse.size=1000000000\nGNU.sparse.numblocks=1", REASON(UNSAFE));
    refuse_pax(state, "GNU.sparse.name=inductor/../evil", REASON(UNSAFE));
    refuse_pax(state, "SCHILY.realsize=1000000000", REASON(UNSAFE));
}

static void other_pax_records_are_refused(void **state)
{
    refuse_pax(state, "SCHILY.acl.access=user::rwx", REASON(UNSAFE));
    refuse_pax(state, "SCHILY.xattr.security.capability=x", REASON(UNSAFE));
    refuse_pax(state, "SCHILY.fflags=immutable", REASON(UNSAFE));
    refuse_pax(state, "mtime=soon", REASON(UNSAFE) | REASON(CORRUPT));
}

static void global_pax_headers_are_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/d/evil",
                            .size = 4,
                            .global = "path=inductor/../../outside/evil"};
    refuse_member(state, &tar, "evil", REASON(UNSAFE), NULL);
    tar.global = "comment=harmless";
    refuse_member(state, &tar, "evil", REASON(UNSAFE), NULL);
}

static void sizes_that_lie_are_refused(void **state)
{
    const char *sizes[] = {"00000000000", "00000000003", "00000001000", "00000002000",
                           "77777777777", "notanumber",  "-0000000004"};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct forge_tar tar = {.name = "inductor/d/evil", .size = 4, .sized = sizes[i]};
        refuse_member(state, &tar, "evil", REASON(UNSAFE) | REASON(CORRUPT), NULL);
    }
}

static void a_link_with_a_content_is_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/d/evil",
                            .type = '1',
                            .link = "inductor/d/good.py",
                            .size = 5,
                            .sized = "00000000005"};
    refuse_member(state, &tar, "evil\n", REASON(UNSAFE) | REASON(CORRUPT), NULL);
}

static void a_wrong_header_checksum_is_refused(void **state)
{
    struct forge_tar tar = {.name = "inductor/d/evil", .size = 4, .wrong_checksum = true};
    refuse_member(state, &tar, "evil", REASON(CORRUPT), NULL);
}

int main(void)
{
#define HOSTILE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        HOSTILE(dotdot_is_refused),
        HOSTILE(a_dotdot_that_stays_inside_is_refused),
        HOSTILE(absolute_paths_are_refused),
        HOSTILE(odd_components_are_refused),
        HOSTILE(a_component_of_256_bytes_is_refused),
        HOSTILE(a_path_deeper_than_256_is_refused),
        HOSTILE(a_file_outside_every_root_is_refused),
        HOSTILE(a_file_in_no_directory_of_the_manifest_is_refused),
        HOSTILE(symlinks_out_of_their_root_are_refused),
        HOSTILE(absolute_symlinks_are_refused),
        HOSTILE(a_symlink_without_a_target_is_refused),
        HOSTILE(members_through_earlier_symlinks_are_refused),
        HOSTILE(a_symlink_where_a_directory_is_announced_is_refused),
        HOSTILE(links_to_elsewhere_are_refused),
        HOSTILE(a_link_to_a_file_of_another_frame_is_refused),
        HOSTILE(a_link_to_itself_is_refused),
        HOSTILE(a_link_to_a_symlink_is_refused),
        HOSTILE(a_link_to_a_void_file_is_refused),
        HOSTILE(devices_fifos_and_unknown_types_are_refused),
        HOSTILE(set_id_and_sticky_bits_are_refused),
        HOSTILE(duplicate_members_are_refused),
        HOSTILE(a_large_file_twice_is_refused),
        HOSTILE(a_large_file_and_a_small_one_of_its_name_are_refused),
        HOSTILE(a_file_where_a_directory_was_is_refused),
        HOSTILE(a_directory_that_the_manifest_does_not_name_is_refused),
        HOSTILE(a_directory_where_a_file_is_is_refused),
        HOSTILE(a_member_below_a_file_is_refused),
        HOSTILE(pax_sizes_are_refused),
        HOSTILE(pax_paths_keep_the_rules_of_paths),
        HOSTILE(sparse_members_are_refused),
        HOSTILE(other_pax_records_are_refused),
        HOSTILE(global_pax_headers_are_refused),
        HOSTILE(sizes_that_lie_are_refused),
        HOSTILE(a_link_with_a_content_is_refused),
        HOSTILE(a_wrong_header_checksum_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
