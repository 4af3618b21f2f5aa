#include "env/key.h"

#include <stdio.h>
#include <string.h>

#include "base/guard.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

static void fill_host(struct facts *facts, const char *device, const char *features)
{
    assert_int_equal(facts_add(facts, "device", device, &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "kind", "inductor", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "os", "linux", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "arch", "x86_64", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "cpu", "avx512", &error), B10_REASON_OK);
    assert_int_equal(facts_add(facts, "cpu_features", features, &error), B10_REASON_OK);
}

static void fill(struct facts *facts, const char *features)
{
    fill_host(facts, "cpu", features);
}

static void a_key_reads_as_what_it_stands_for(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    fill(&facts, "adx,aes");
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    /* The digits are BLAKE2b with 8 bytes of output over the six lines, by Python's hashlib. */
    assert_string_equal(key.text, "inductor-cpu-x86_64-avx512-linux-4e9f83d5c3739465");
    assert_true(key_is_valid(key.text));
    assert_false(key.overridden);
}

static void every_fact_is_in_the_key(void **state)
{
    (void)state;
    struct key first;
    struct key second;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    fill(&facts, "adx,aes");
    assert_int_equal(key_make(&first, &facts, &error), B10_REASON_OK);
    SCOPED(facts) struct facts other = FACTS_NONE;
    fill(&other, "adx");
    assert_int_equal(key_make(&second, &other, &error), B10_REASON_OK);
    assert_string_not_equal(first.text, second.text);
    assert_int_equal(facts_add(&facts, "tag.torch", "2.13.0", &error), B10_REASON_OK);
    assert_int_equal(key_make(&second, &facts, &error), B10_REASON_OK);
    assert_string_not_equal(first.text, second.text);
}

static void an_override_is_the_key(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    fill(&facts, "adx");
    assert_int_equal(facts_add(&facts, "environment_key", "my.key-1", &error), B10_REASON_OK);
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    assert_string_equal(key.text, "my.key-1");
    assert_true(key.overridden);
}

static void odd_facts_still_make_a_valid_key(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    char architecture[300];
    memset(architecture, 'X', sizeof(architecture));
    architecture[2] = '/';
    architecture[sizeof(architecture) - 1] = '\0';
    assert_int_equal(facts_add(&facts, "kind", "inductor", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "os", "gnu/linux", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "arch", architecture, &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "cpu", "generic", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "device", "cpu", &error), B10_REASON_OK);
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    assert_true(key_is_valid(key.text));
    assert_non_null(strstr(key.text, "inductor-cpu-xx_xxx"));
    assert_non_null(strstr(key.text, "-gnu_linux-"));
}

static void a_key_needs_its_facts(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_INTERNAL);
}

static void valid_keys_are_safe_file_names(void **state)
{
    (void)state;
    char text[202];
    memset(text, 'a', sizeof(text));
    text[200] = '\0';
    assert_true(key_is_valid(text));
    text[200] = 'a';
    text[201] = '\0';
    assert_false(key_is_valid(text));
    assert_true(key_is_valid("a"));
    assert_true(key_is_valid("-._9"));
    assert_false(key_is_valid(""));
    assert_false(key_is_valid("."));
    assert_false(key_is_valid(".a"));
    assert_false(key_is_valid("a/b"));
    assert_false(key_is_valid("A"));
    assert_false(key_is_valid("a b"));
    assert_false(key_is_valid("a\n"));
}

/* ---- GPUs ---- */

static void add(struct facts *facts, const char *name, const char *value)
{
    assert_int_equal(facts_add(facts, name, value, &error), B10_REASON_OK);
}

/* `device` and what stands in it: NULL for what is not known. */
struct device {
    const char *name;
    const char *capability;
    const char *mig;
    const char *second; /* name of another kind */
    const char *cuda;
    const char *driver;
};

static void fill_device(struct facts *facts, const struct device *device)
{
    fill_host(facts, "cuda", "adx,aes");
    add(facts, "gpu.1.name", device->name);
    add(facts, "gpu.1.capability", device->capability);
    if (device->mig != NULL)
        add(facts, "gpu.1.mig", device->mig);
    if (device->second != NULL)
        add(facts, "gpu.2.name", device->second);
    if (device->second != NULL)
        add(facts, "gpu.2.capability", "80");
    if (device->cuda != NULL)
        add(facts, "cuda", device->cuda);
    if (device->driver != NULL)
        add(facts, "gpu_driver", device->driver);
}

static void the_key_names_the_gpu(void **state)
{
    (void)state;
    static const struct {
        struct device device;
        const char *key;
        const char *prefix;
    } rows[] = {
        {{"NVIDIA H100 80GB HBM3", "90", NULL, NULL, "12.8", NULL},
         /* digits by Python's hashlib, as above */
         "inductor-cuda-nvidia_h100_80gb_hbm3-sm90-cuda12.8-x86_64-avx512-linux-594cf5567d826dd9",
         "inductor-cuda-nvidia_h100_80gb_hbm3-sm90-cuda"},
        {{"NVIDIA A100-SXM4-80GB", "80", "1g.10gb+me", NULL, "12.10", NULL},
         "inductor-cuda-nvidia_a100-sxm4-80gb-mig_1g.10gb_me-sm80-cuda12.10-x86_64-avx512-linux-",
         "inductor-cuda-nvidia_a100-sxm4-80gb-mig_1g.10gb_me-sm80-cuda"},
        {{"NVIDIA A10G", "86", NULL, "NVIDIA L4", "12.8", NULL},
         "inductor-cuda-nvidia_a10g-and_1_more-sm86-cuda12.8-x86_64-avx512-linux-",
         "inductor-cuda-nvidia_a10g-and_1_more-sm86-cuda"},
        {{"NVIDIA L4", "x", NULL, NULL, NULL, "535.309.01"},
         "inductor-cuda-nvidia_l4-smx-driver535.309.01-x86_64-avx512-linux-",
         "inductor-cuda-nvidia_l4-smx-driver535.309.01-x86_64-"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        SCOPED(facts) struct facts facts = FACTS_NONE;
        struct key key;
        char prefix[B10_KEY_SIZE];
        fill_device(&facts, &rows[i].device);
        assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
        assert_true(key_is_valid(key.text));
        assert_memory_equal(key.text, rows[i].key, strlen(rows[i].key));
        key_fallback_prefix(prefix, &key, &facts);
        assert_string_equal(prefix, rows[i].prefix);
    }
}

static void a_gpu_that_no_step_can_tell_has_a_key_of_its_own_and_no_fallback(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    char prefix[B10_KEY_SIZE];
    fill_host(&facts, "cuda-unknown", "adx,aes");
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    assert_string_equal(key.text, "inductor-cuda-unknown-x86_64-avx512-linux-bd1cc11f25c4935a");
    key_fallback_prefix(prefix, &key, &facts);
    assert_string_equal(prefix, "");
}

static void fallbacks_of_a_cpu_host_have_its_architecture(void **state)
{
    (void)state;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    struct key key;
    char prefix[B10_KEY_SIZE];
    fill(&facts, "adx,aes");
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    key_fallback_prefix(prefix, &key, &facts);
    assert_string_equal(prefix, "inductor-cpu-x86_64-");
    assert_memory_equal(key.text, prefix, strlen(prefix));
    add(&facts, "environment_key", "mine");
    assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
    key_fallback_prefix(prefix, &key, &facts);
    assert_string_equal(prefix, "");
}

/* ---- any facts ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Any printable text. */
static void random_text(char *text, size_t longest, uint32_t *seed)
{
    size_t length = next_random(seed) % (longest + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(' ' + next_random(seed) % ('~' - ' ' + 1));
    text[length] = '\0';
}

static void random_facts(struct facts *facts, uint32_t *seed)
{
    static const char *const names[] = {"arch",
                                        "cpu",
                                        "cpu_features",
                                        "kind",
                                        "os",
                                        "gpu.1.name",
                                        "gpu.1.capability",
                                        "gpu.1.mig",
                                        "gpu.2.name",
                                        "gpu.2.capability"};
    char text[300];
    const uint32_t choice = next_random(seed);
    add(facts, "device", choice % 3 == 0 ? "cpu" : "cuda");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        random_text(text, choice % 5 == 0 ? sizeof(text) - 1 : 20, seed);
        add(facts, names[i], text);
    }
    random_text(text, sizeof(text) - 1, seed);
    add(facts, choice % 2 == 0 ? "cuda" : "gpu_driver", text);
}

static void copy_facts(struct facts *to, const struct facts *from, size_t changed)
{
    for (size_t i = from->count; i-- > 0;) {
        char value[302];
        snprintf(value, sizeof(value), "%s%s", from->items[i].value, i == changed ? "+" : "");
        add(to, from->items[i].name, value);
    }
}

static void any_facts_make_a_valid_key_that_every_one_of_them_changes(void **state)
{
    (void)state;
    uint32_t seed = 20;
    for (int round = 0; round < 300; round++) {
        SCOPED(facts) struct facts facts = FACTS_NONE;
        struct key key;
        random_facts(&facts, &seed);
        assert_int_equal(key_make(&key, &facts, &error), B10_REASON_OK);
        if (key.text[0] != '.') /* a kind of our own never begins with one */
            assert_true(key_is_valid(key.text));
        for (size_t changed = 0; changed <= facts.count; changed++) {
            SCOPED(facts) struct facts other = FACTS_NONE;
            struct key other_key;
            if (changed < facts.count && strcmp(facts.items[changed].name, "device") == 0)
                continue;
            copy_facts(&other, &facts, changed);
            assert_int_equal(key_make(&other_key, &other, &error), B10_REASON_OK);
            if (changed == facts.count)
                assert_string_equal(other_key.text, key.text);
            else
                assert_string_not_equal(strrchr(other_key.text, '-'), strrchr(key.text, '-'));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_reads_as_what_it_stands_for),
        cmocka_unit_test(every_fact_is_in_the_key),
        cmocka_unit_test(an_override_is_the_key),
        cmocka_unit_test(odd_facts_still_make_a_valid_key),
        cmocka_unit_test(a_key_needs_its_facts),
        cmocka_unit_test(valid_keys_are_safe_file_names),
        cmocka_unit_test(the_key_names_the_gpu),
        cmocka_unit_test(a_gpu_that_no_step_can_tell_has_a_key_of_its_own_and_no_fallback),
        cmocka_unit_test(fallbacks_of_a_cpu_host_have_its_architecture),
        cmocka_unit_test(any_facts_make_a_valid_key_that_every_one_of_them_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
