/* What holds for the key of whatever facts: random sets of them, thousands of times. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env/facts.h"
#include "env/key.h"
#include "support/scratch.h"

enum { ROUNDS = 400, BASE = 6, MOST_GPU = 12, MOST_TAGS = 20, VALUE_SIZE = 256 };
enum { MOST = BASE + MOST_GPU + MOST_TAGS };

static struct b10_error error = ERROR_NONE;

/* ---- random sets ---- */

/* xorshift64*: the same numbers on every machine; a failure prints the round. */
static uint64_t random_state;

static unsigned random_below(unsigned limit)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)((random_state * UINT64_C(2685821657736338717)) >> 33) % limit;
}

struct pair {
    char name[48];
    char value[VALUE_SIZE];
};

struct set {
    struct pair pairs[MOST + 1];
    size_t count;
    size_t needed; /* the first ones, without which there is no key */
};

/* Facts hold printable ASCII, of any length, the empty one included. */
static void random_value(char value[VALUE_SIZE])
{
    static const unsigned limits[] = {1, 2, 8, 33, 64, VALUE_SIZE};
    size_t length = random_below(limits[random_below(sizeof(limits) / sizeof(*limits))]);
    for (size_t i = 0; i < length; i++)
        value[i] = (char)(' ' + random_below('~' - ' ' + 1));
    value[length] = '\0';
}

static int has_name(const struct set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->pairs[i].name, name) == 0)
            return 1;
    }
    return 0;
}

static void add(struct set *set, const char *name)
{
    struct pair *pair = &set->pairs[set->count++];
    snprintf(pair->name, sizeof(pair->name), "%s", name);
    random_value(pair->value);
}

static void add_random_tag(struct set *set)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    char name[48];
    do {
        char tail[33] = "";
        size_t length = 1 + random_below(random_below(2) ? 3 : 32);
        for (size_t i = 0; i < length; i++)
            tail[i] = letters[random_below(sizeof(letters) - 1)];
        snprintf(name, sizeof(name), "tag.%s", tail);
    } while (has_name(set, name));
    add(set, name);
}

/* Names, capabilities and profiles are as odd as the other values. */
static void add_gpus(struct set *set)
{
    static const char *const facts[] = {"name", "capability", "mig"};
    unsigned kinds = 1 + random_below(3);
    snprintf(set->pairs[0].value, VALUE_SIZE, "cuda");
    add(set, random_below(2) ? "cuda" : "gpu_driver");
    for (unsigned kind = 1; kind <= kinds; kind++) {
        unsigned count = 2 + random_below(2); /* a whole card has no MIG profile */
        for (unsigned i = 0; i < count; i++) {
            char name[48];
            snprintf(name, sizeof(name), "gpu.%u.%s", kind, facts[i]);
            add(set, name);
        }
    }
}

static void random_set(struct set *set)
{
    static const char *const base[BASE] = {"device", "kind", "arch", "cpu", "os", "cpu_features"};
    *set = (struct set){.count = 0};
    for (size_t i = 0; i < BASE; i++)
        add(set, base[i]);
    if (random_below(2))
        add_gpus(set);
    set->needed = set->count;
    for (unsigned tags = random_below(MOST_TAGS); tags > 0; tags--)
        add_random_tag(set);
}

static void shuffle(struct set *set)
{
    for (size_t i = set->count; i > 1; i--) {
        size_t other = random_below((unsigned)i);
        struct pair pair = set->pairs[i - 1];
        set->pairs[i - 1] = set->pairs[other];
        set->pairs[other] = pair;
    }
}

static void key_of(struct key *key, const struct set *set)
{
    SCOPED(facts) struct facts facts = FACTS_NONE;
    assert_int_equal(facts_add(&facts, "device", "cpu", &error), B10_REASON_OK);
    for (size_t i = 0; i < set->count; i++)
        assert_int_equal(facts_add(&facts, set->pairs[i].name, set->pairs[i].value, &error), 0);
    assert_int_equal(key_make(key, &facts, &error), B10_REASON_OK);
}

/* ---- what holds ---- */

static void any_facts_make_a_name_for_a_file(void **state)
{
    struct scratch *scratch = *state;
    random_state = 1;
    for (int round = 0; round < ROUNDS; round++) {
        struct set set;
        struct key key;
        random_set(&set);
        key_of(&key, &set);
        size_t length = strlen(key.text);
        if (length == 0 || length > 200 || key.text[0] == '.' ||
            strspn(key.text, "abcdefghijklmnopqrstuvwxyz0123456789._-") != length)
            fail_msg("round %d: '%s' is no key", round, key.text);
        char name[256];
        snprintf(name, sizeof(name), "%s.v1.tar.zst", key.text);
        int fd = openat(scratch->fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
            fail_msg("round %d: no file can be called '%s'", round, name);
        close(fd);
        assert_int_equal(unlinkat(scratch->fd, name, 0), 0);
    }
}

static void equal_facts_make_equal_keys_in_any_order(void **state)
{
    (void)state;
    random_state = 2;
    for (int round = 0; round < ROUNDS; round++) {
        struct set set;
        struct key first;
        struct key second;
        random_set(&set);
        key_of(&first, &set);
        shuffle(&set);
        key_of(&second, &set);
        if (strcmp(first.text, second.text) != 0)
            fail_msg("round %d: '%s' and '%s'", round, first.text, second.text);
    }
}

/* The last 16 characters decide: the readable part is cut and made of fewer letters. */
static void assert_another_digest(const struct key *key, const struct set *set, int round,
                                  const char *change)
{
    struct key other;
    key_of(&other, set);
    const char *a = key->text + strlen(key->text) - 16;
    const char *b = other.text + strlen(other.text) - 16;
    if (strcmp(a, b) == 0)
        fail_msg("round %d, %s: both end in %s", round, change, a);
}

/* One byte more, less, or another. */
static void change_value(char value[VALUE_SIZE])
{
    size_t length = strlen(value);
    unsigned how = random_below(3);
    if (length == 0 || (how == 0 && length + 1 < VALUE_SIZE)) {
        value[length] = (char)(' ' + random_below('~' - ' ' + 1));
        value[length + 1] = '\0';
    } else if (how == 1) {
        value[length - 1] = '\0';
    } else {
        char *byte = &value[random_below((unsigned)length)];
        *byte = *byte == '~' ? ' ' : (char)(*byte + 1);
    }
}

static void any_single_difference_makes_another_digest(void **state)
{
    (void)state;
    random_state = 3;
    for (int round = 0; round < ROUNDS; round++) {
        struct set set;
        struct key key;
        random_set(&set);
        key_of(&key, &set);
        for (size_t i = 1; i < set.count; i++) { /* "cuda" decides which facts are needed */
            struct set other = set;
            change_value(other.pairs[i].value);
            assert_another_digest(&key, &other, round, "another value");
        }
        for (size_t i = set.needed; i < set.count; i++) {
            struct set other = set;
            strncat(other.pairs[i].name, "x", 2);
            assert_another_digest(&key, &other, round, "another name");
            other = set;
            other.pairs[i] = other.pairs[--other.count];
            assert_another_digest(&key, &other, round, "a fact less");
        }
        add_random_tag(&set);
        assert_another_digest(&key, &set, round, "a fact more");
    }
}

/* Where a value ends and the next fact begins cannot be mistaken. */
static void two_facts_that_swap_their_values_make_another_digest(void **state)
{
    (void)state;
    random_state = 4;
    for (int round = 0; round < ROUNDS; round++) {
        struct set set;
        struct key key;
        random_set(&set);
        key_of(&key, &set);
        size_t a = 1 + random_below((unsigned)set.count - 1);
        size_t b = 1 + random_below((unsigned)set.count - 1);
        if (strcmp(set.pairs[a].value, set.pairs[b].value) == 0)
            continue;
        struct set other = set;
        memcpy(other.pairs[a].value, set.pairs[b].value, VALUE_SIZE);
        memcpy(other.pairs[b].value, set.pairs[a].value, VALUE_SIZE);
        assert_another_digest(&key, &other, round, "swapped values");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_facts_make_a_name_for_a_file, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(equal_facts_make_equal_keys_in_any_order),
        cmocka_unit_test(any_single_difference_makes_another_digest),
        cmocka_unit_test(two_facts_that_swap_their_values_make_another_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
