#include "env/cuda_visible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

/* A machine in letters: "A" is a card, equal letters are equal cards; "(ab)" is a card in MIG mode
 * with two MIG devices of different kinds. The nth card has the UUID GPU-c<n>f…, the nth MIG device
 * MIG-m<n>f…; MIG devices are GPU instances 7, 8, …, compute instance 0, of their card. */
enum { MACHINE_MAX = 32 };

struct machine {
    struct visible_card cards[MACHINE_MAX];
    size_t count, whole, mig, parent;
};

static void add(struct machine *machine, char letter, bool is_mig)
{
    struct visible_card *card = &machine->cards[machine->count];
    *card = (struct visible_card){.is_mig = is_mig, .mig_enabled = letter == '('};
    card->kind = (size_t)letter;
    if (is_mig) {
        snprintf(card->uuid, sizeof(card->uuid), "MIG-m%zuf-5555", machine->mig++);
        card->parent = machine->parent;
        card->instance[0] = (int)(6 + machine->count - machine->parent);
    } else {
        snprintf(card->uuid, sizeof(card->uuid), "GPU-c%zuf-1111", machine->whole++);
        machine->parent = machine->count;
    }
    machine->count++;
}

static void build(struct machine *machine, const char *letters)
{
    bool inside = false;
    *machine = (struct machine){.count = 0};
    for (; *letters != '\0'; letters++) {
        if (*letters == ')')
            inside = false;
        else
            add(machine, *letters, inside);
        inside = inside || *letters == '(';
    }
}

/* Positions of the chosen in the machine's list, "0,2"; "?" when it cannot be told. */
static void select_into(char *out, size_t size, const struct machine *machine, const char *visible,
                        const char *order, struct gpu_said *said)
{
    bool chosen[MACHINE_MAX];
    struct gpu_probe probe = {.visible_devices = visible, .device_order = order};
    memset(chosen, 1, sizeof(chosen)); /* what was there before does not count */
    *said = (struct gpu_said){.text = ""};
    if (!cuda_visible_select(chosen, machine->cards, machine->count, &probe, said)) {
        snprintf(out, size, "?");
        return;
    }
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < machine->count; i++) {
        if (chosen[i])
            used += (size_t)snprintf(out + used, size - used, "%s%zu", used > 0 ? "," : "", i);
    }
}

struct row {
    const char *machine;
    const char *visible; /* CUDA_VISIBLE_DEVICES */
    const char *order;   /* CUDA_DEVICE_ORDER */
    const char *chosen;  /* "?": cannot be told */
    const char *said;    /* part of the reason */
};

static const char pci[] = "PCI_BUS_ID";
static const char fastest[] = "FASTEST_FIRST";

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct machine machine;
        struct gpu_said said;
        char chosen[200];
        build(&machine, row->machine);
        select_into(chosen, sizeof(chosen), &machine, row->visible, row->order, &said);
        if (strcmp(chosen, row->chosen) != 0 ||
            (row->said != NULL && strstr(said.text, row->said) == NULL))
            fail_msg("machine '%s', visible '%s', order '%s': chosen '%s' instead of '%s' (%s)",
                     row->machine, row->visible != NULL ? row->visible : "(unset)",
                     row->order != NULL ? row->order : "(unset)", chosen, row->chosen, said.text);
        assert_true((said.text[0] != '\0') == (strcmp(chosen, "?") == 0));
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(*(rows)))

static void without_the_variable_all_cards_are_visible(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", NULL, NULL, "", NULL},
        {"A", NULL, NULL, "0", NULL},
        {"AAAA", NULL, NULL, "0,1,2,3", NULL},
        {"AB", NULL, NULL, "0,1", NULL},
        {"AB", NULL, fastest, "0,1", NULL},
    };
    CHECK_ROWS(rows);
}

static void an_empty_list_or_an_invalid_first_entry_shows_none(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"AA", "", NULL, "", NULL},         {"AB", "", NULL, "", NULL},
        {"AA", "-1", NULL, "", NULL},       {"AA", "-1,0", NULL, "", NULL},
        {"AB", "-1,0", NULL, "", NULL},     {"AA", "NoDevFiles", NULL, "", NULL},
        {"AA", "none", NULL, "", NULL},     {"AA", ",0", NULL, "", NULL},
        {"AA", " ", NULL, "", NULL},        {"AA", ",", NULL, "", NULL},
        {"AA", "2", NULL, "", NULL},        {"AA", "2,0", NULL, "", NULL},
        {"AA", "GPU-", NULL, "", NULL},     {"AA", "GPU-x", NULL, "", NULL},
        {"AA", "GPU", NULL, "", NULL},      {"AA", "gpu-c0", NULL, "", NULL},
        {"AA", "c0", NULL, "", NULL},       {"AA", "MIG-m0", NULL, "", NULL},
        {"AA", "\xc3\xa9", NULL, "", NULL}, {"AA", "\x01\n", NULL, "", NULL},
        {"", "0", NULL, "", NULL},          {"", "GPU-c0", NULL, "", NULL},
    };
    CHECK_ROWS(rows);
}

static void indices_choose_among_equal_cards(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"AA", "0", NULL, "0", NULL},
        {"AA", "1", NULL, "1", NULL},
        {"AAAA", "3,1", NULL, "1,3", NULL},
        {"AAAA", " 2 , 0 ", NULL, "0,2", NULL},
        {"AAAA", "0,1,2,3", NULL, "0,1,2,3", NULL},
        {"AA", "00", NULL, "0", NULL},
        {"AA", "01", NULL, "1", NULL},
        {"AAAAAAAAAAAA", "11,10", NULL, "10,11", NULL},
    };
    CHECK_ROWS(rows);
}

static void the_list_ends_at_the_first_invalid_entry(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"AAAA", "0,-1,1", NULL, "0", NULL},
        {"AAAA", "0,4,1", NULL, "0", NULL},
        {"AAAA", "0,,1", NULL, "0", NULL},
        {"AAAA", "0,", NULL, "0", NULL},
        {"AAAA", "0,x,0", NULL, "0", NULL},
        {"AAAA", "1,\xff,0", NULL, "1", NULL},
        {"AAAA", "GPU-c1,GPU-zz,GPU-c0", NULL, "1", NULL},
        {"AAAA", "0,99999999999999999999999999999,1", NULL, "0", NULL},
        {"AAAA", "4294967296", NULL, "", NULL},
        {"AAAA", "18446744073709551616", NULL, "", NULL},
        {"AB", "0,5,1", pci, "0", NULL},
    };
    CHECK_ROWS(rows);
}

static void a_uuid_may_be_shortened_while_it_names_one_card(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"AB", "GPU-c1f-1111", NULL, "1", NULL},
        {"AB", "GPU-c1", NULL, "1", NULL},
        {"AB", " GPU-c1 , GPU-c0 ", NULL, "0,1", NULL},
        {"AB", "GPU-c", NULL, "", NULL}, /* both */
        {"A", "GPU-", NULL, "0", NULL},
        {"AB", "GPU-c1f-11112", NULL, "", NULL},
        {"ABA", "GPU-c0,GPU-c2", NULL, "0,2", NULL},
        {"AAAAAAAAAAAA", "GPU-c1", NULL, "", NULL}, /* the 2nd, the 11th, the 12th */
        {"AAAAAAAAAAAA", "GPU-c1f", NULL, "1", NULL},
    };
    CHECK_ROWS(rows);
}

static void a_card_named_twice_is_not_guessed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"AA", "0,0", NULL, "?", "'0' in CUDA_VISIBLE_DEVICES names a card for the second time"},
        {"AA", "1,01", NULL, "?", "'01' in"},
        {"AA", "GPU-c0,GPU-c0f", NULL, "?", "'GPU-c0f' in"},
        {"(aa)", "MIG-m0,MIG-m0", NULL, "?", "second time"},
        {"AA", "0,x,0", NULL, "0", NULL},
    };
    CHECK_ROWS(rows);
}

static void what_cuda_may_read_either_way_is_not_guessed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"AA", "0x1", NULL, "?", "'0x1' in CUDA_VISIBLE_DEVICES is not quite an index"},
        {"AA", "1gpu", NULL, "?", "not quite an index"},
        {"AA", "+1", NULL, "?", "not quite an index"},
        {"AA", "1.0", NULL, "?", "not quite an index"},
        {"AA", "0;1", NULL, "?", "not quite an index"},
        {"AA", "0 1", NULL, "?", "not quite an index"},
        {"AA", "0,GPU-c1", NULL, "?", "mixes indices and UUIDs"},
        {"AA", "GPU-c1,0", NULL, "?", "mixes indices and UUIDs"},
        {"AA", "x,0x1", NULL, "", NULL},
    };
    CHECK_ROWS(rows);
}

static void indices_of_different_cards_need_the_order_of_the_bus(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"AB", "0", NULL, "?", "CUDA_DEVICE_ORDER is not PCI_BUS_ID"},
        {"AB", "0", fastest, "?", "CUDA_DEVICE_ORDER is not PCI_BUS_ID"},
        {"AB", "0", "", "?", "CUDA_DEVICE_ORDER"},
        {"AB", "0", "pci_bus_id", "?", "CUDA_DEVICE_ORDER"},
        {"AB", "0", pci, "0", NULL},
        {"AB", "1", pci, "1", NULL},
        {"AAB", "0,1", NULL, "?", "CUDA_DEVICE_ORDER"},
        {"AAB", "0,1", pci, "0,1", NULL},
        {"AB", "1,0", NULL, "0,1", NULL}, /* all of them */
        {"AB", "1,0,7", NULL, "0,1", NULL},
        {"AB", "7", NULL, "", NULL},
        {"AB", "GPU-c1", NULL, "1", NULL},
    };
    CHECK_ROWS(rows);
}

static void of_equal_mig_devices_one_is_shown(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"(a)", NULL, NULL, "1", NULL},
        {"(aaa)", NULL, NULL, "1", NULL},
        {"(aa)(aa)", NULL, NULL, "1", NULL},
        {"(aaa)", "0", NULL, "1", NULL},
        {"(aaa)", "GPU-c0", NULL, "1", NULL},
        {"(aa)(aa)", "1", NULL, "4", NULL},
        {"(aa)(aa)", "GPU-c1", NULL, "4", NULL},
        {"(aaa)", "MIG-m2", NULL, "3", NULL},
        {"(aaa)", "MIG-m2,MIG-m1", NULL, "2", NULL},
        {"()", NULL, NULL, "", NULL},
        {"A()", NULL, NULL, "0", NULL},
        {"()", "GPU-c0", NULL, "", NULL},
    };
    CHECK_ROWS(rows);
}

static void among_different_mig_devices_only_a_single_one_is_clear(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"(ab)", NULL, NULL, "?", "CUDA shows only one of several devices"},
        {"A(a)", NULL, NULL, "?", "CUDA shows only one of several devices"},
        {"(a)(b)", NULL, NULL, "?", "CUDA shows only one of several devices"},
        {"(ab)", "0", NULL, "?", "CUDA shows only one of several devices"},
        {"(ab)", "MIG-m1", NULL, "2", NULL},
        {"(ab)", "MIG-m1,MIG-m0", NULL, "?", "CUDA shows only one of several devices"},
        {"(ab)", "MIG-m1,MIG-x,MIG-m0", NULL, "2", NULL},
        {"A(a)", "GPU-c0", NULL, "0", NULL},
        {"A(a)", "GPU-c1", NULL, "2", NULL},
        {"A(a)", "GPU-c0,MIG-m0", NULL, "?", "CUDA shows only one of several devices"},
        {"A(a)", "0", NULL, "?", "CUDA_DEVICE_ORDER"},
        {"A(a)", "0", pci, "0", NULL},
        {"A(a)", "1", pci, "2", NULL},
    };
    CHECK_ROWS(rows);
}

static void instances_of_a_card_name_a_mig_device(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"(ab)", "MIG-GPU-c0f-1111/7/0", NULL, "1", NULL},
        {"(ab)", "MIG-GPU-c0f-1111/8/0", NULL, "2", NULL},
        {"(ab)(cd)", "MIG-GPU-c1f-1111/8/0", NULL, "5", NULL},
        {"(ab)", "MIG-GPU-c0f-1111/9/0", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0f-1111/7/1", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0f-1111/7", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0f-1111/7/", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0f-1111/7/0/", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0f-1111//0", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0f-1111/99999999999999999999/0", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0f-1111", NULL, "", NULL},
        {"(ab)", "MIG-GPU-c0/7/0", NULL, "", NULL}, /* a whole UUID only */
        {"(ab)", "MIG-GPU-", NULL, "", NULL},
        {"A", "MIG-GPU-c0f-1111/0/0", NULL, "", NULL},
    };
    CHECK_ROWS(rows);
}

/* Whether such a card has an index, and how many MIG devices have, is not documented. */
static void indices_beside_cards_in_mig_mode_are_not_guessed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"()A", "0", pci, "?", "a card in MIG mode has no MIG devices"},
        {"()AA", "1", NULL, "?", "a card in MIG mode has no MIG devices"},
        {"()A", "0,1", NULL, "1", NULL}, /* all of them */
        {"(aaa)", "1", NULL, "?", "'1' in CUDA_VISIBLE_DEVICES is past the last card"},
        {"(aaa)", "0,2", NULL, "?", "past the last card"},
    };
    CHECK_ROWS(rows);
}

/* Drivers before branch 470 give MIG devices such UUIDs themselves. */
static void old_uuids_of_mig_devices_are_found(void **state)
{
    (void)state;
    struct machine machine;
    struct gpu_said said;
    char chosen[100];
    build(&machine, "(ab)");
    snprintf(machine.cards[1].uuid, sizeof(machine.cards[1].uuid), "MIG-GPU-c0f-1111/7/0");
    snprintf(machine.cards[2].uuid, sizeof(machine.cards[2].uuid), "MIG-GPU-c0f-1111/8/0");
    select_into(chosen, sizeof(chosen), &machine, "MIG-GPU-c0f-1111/8/0", NULL, &said);
    assert_string_equal(chosen, "2");
    select_into(chosen, sizeof(chosen), &machine, "MIG-GPU-c0f-1111/7", NULL, &said);
    assert_string_equal(chosen, "1");
}

/* Repeats `piece` into a text of its own, to be freed. */
static char *repeated(const char *piece, size_t times)
{
    size_t length = strlen(piece);
    char *text = malloc(times * length + 1);
    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * length, piece, length);
    text[times * length] = '\0';
    return text;
}

static void select_long(const char *letters, const char *piece, size_t times, const char *expected)
{
    struct machine machine;
    struct gpu_said said;
    char chosen[100];
    char *visible = repeated(piece, times);
    build(&machine, letters);
    select_into(chosen, sizeof(chosen), &machine, visible, pci, &said);
    assert_string_equal(chosen, expected);
    assert_true(strlen(said.text) < sizeof(said.text));
    free(visible);
}

static void lists_of_any_length_are_read(void **state)
{
    (void)state;
    select_long("AB", "0,", 100000, "?");
    select_long("AB", "9,", 100000, "");
    select_long("AB", ",", 100000, "");
    select_long("AB", " ", 100000, "");
    select_long("AB", "1", 100000, "");
    select_long("AB", "\xff", 100000, "");
    select_long("AB", "GPU-", 100000, "");
    select_long("(ab)", "MIG-GPU-", 100000, "");
    select_long("(ab)", "MIG-GPU-/", 100000, "");
    select_long("(aa)", "1", 100000, "?");
    select_long("AB", "1x", 100000, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_variable_all_cards_are_visible),
        cmocka_unit_test(an_empty_list_or_an_invalid_first_entry_shows_none),
        cmocka_unit_test(indices_choose_among_equal_cards),
        cmocka_unit_test(the_list_ends_at_the_first_invalid_entry),
        cmocka_unit_test(a_uuid_may_be_shortened_while_it_names_one_card),
        cmocka_unit_test(a_card_named_twice_is_not_guessed),
        cmocka_unit_test(what_cuda_may_read_either_way_is_not_guessed),
        cmocka_unit_test(indices_of_different_cards_need_the_order_of_the_bus),
        cmocka_unit_test(of_equal_mig_devices_one_is_shown),
        cmocka_unit_test(among_different_mig_devices_only_a_single_one_is_clear),
        cmocka_unit_test(instances_of_a_card_name_a_mig_device),
        cmocka_unit_test(indices_beside_cards_in_mig_mode_are_not_guessed),
        cmocka_unit_test(old_uuids_of_mig_devices_are_found),
        cmocka_unit_test(lists_of_any_length_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
