/* The decision over aarch64 capabilities. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/cpu.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

static const char *text_of(const struct cpu_facts *facts)
{
    return (const char *)facts->features.data;
}

/* What /proc/cpuinfo calls the bits, in their order (arch/arm64/kernel/cpuinfo.c). */
static const char hwcap_names[] =
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
    "lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg";
static const char hwcap2_names[] =
    "dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svef32mm svef64mm "
    "svebf16 i8mm bf16 dgh rng bti mte ecv afp rpres mte3";

/* No compiler's -march=native looks at these. */
static const char no_instruction_set[] =
    "evtstrm cpuid dcpop dit dcpodp dgh bti mte ecv afp rpres mte3";

struct processor {
    const char *name;
    const char *features; /* a line of /proc/cpuinfo under Linux */
    unsigned vector_bytes;
    const char *level;
};

static const struct processor processors[] = {
    {"Neoverse N1: Graviton2, Ampere Altra",
     "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
     "asimddp ssbs",
     0, "neon"},
    {"Neoverse V1: Graviton3",
     "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
     "lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs paca pacg "
     "dcpodp svei8mm svebf16 i8mm bf16 dgh rng",
     32, "sve"},
    {"Neoverse V2: Graviton4",
     "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
     "lrcpc dcpop sha3 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp "
     "sve2 sveaes svepmull svebitperm svesha3 flagm2 frint svei8mm svebf16 i8mm bf16 dgh rng bti",
     16, "sve2"},
    {"Neoverse V2: Grace",
     "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
     "lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb dcpodp "
     "sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svebf16 i8mm bf16 dgh",
     16, "sve2"},
    {"Apple M1",
     "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
     "lrcpc dcpop sha3 asimddp sha512 asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp "
     "flagm2 frint",
     0, "neon"},
    {"A64FX", "fp asimd evtstrm sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm fcma dcpop sve",
     64, "sve"},
};

enum { PROCESSORS = sizeof(processors) / sizeof(*processors) };

/* Whether `name` is one of the words of `list`; its position in *at. */
static int is_word(const char *list, const char *name, unsigned *at)
{
    size_t length = strlen(name);
    *at = 0;
    for (const char *word = list; *word != '\0'; ++*at) {
        size_t size = strcspn(word, " ");
        if (size == length && strncmp(word, name, size) == 0)
            return 1;
        word += size;
        word += *word == ' ';
    }
    return 0;
}

static struct cpu_arm_capabilities capabilities_of(const struct processor *processor)
{
    struct cpu_arm_capabilities found = {.vector_bytes = processor->vector_bytes};
    char line[1024];
    snprintf(line, sizeof(line), "%s", processor->features);
    for (char *rest = line, *word; (word = strsep(&rest, " ")) != NULL;) {
        unsigned at;
        if (is_word(hwcap_names, word, &at))
            found.hwcap |= UINT64_C(1) << at;
        else if (is_word(hwcap2_names, word, &at))
            found.hwcap2 |= UINT64_C(1) << at;
        else
            fail_msg("no bit is called %s", word);
    }
    return found;
}

static void decide(struct cpu_facts *facts, const struct processor *processor)
{
    struct cpu_arm_capabilities capabilities = capabilities_of(processor);
    assert_int_equal(cpu_decide_arm(facts, &capabilities, &error), B10_REASON_OK);
}

static int lists(const char *features, const char *name)
{
    char wrapped[4096];
    char wanted[64];
    snprintf(wrapped, sizeof(wrapped), ",%s,", features);
    snprintf(wanted, sizeof(wanted), ",%s,", name);
    return strstr(wrapped, wanted) != NULL;
}

static void known_processors_have_their_class_and_the_kernels_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROCESSORS; i++) {
        SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
        decide(&facts, &processors[i]);
        assert_string_equal(facts.level, processors[i].level);
        char line[1024];
        unsigned at;
        snprintf(line, sizeof(line), "%s", processors[i].features);
        for (char *rest = line, *word; (word = strsep(&rest, " ")) != NULL;) {
            if (lists(text_of(&facts), word) == is_word(no_instruction_set, word, &at))
                fail_msg("%s: %s in %s", processors[i].name, word, text_of(&facts));
        }
        char vector[32];
        snprintf(vector, sizeof(vector), "sve-bits:%u", processors[i].vector_bytes * 8);
        assert_int_equal(lists(text_of(&facts), vector), processors[i].vector_bytes > 0);
    }
}

static void known_processors_differ_from_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROCESSORS; i++) {
        for (size_t j = 0; j < i; j++) {
            SCOPED(cpu_facts) struct cpu_facts a = CPU_FACTS_NONE;
            SCOPED(cpu_facts) struct cpu_facts b = CPU_FACTS_NONE;
            decide(&a, &processors[i]);
            decide(&b, &processors[j]);
            assert_string_not_equal(text_of(&a), text_of(&b));
        }
    }
}

static void a_newer_kernel_makes_no_other_processor(void **state)
{
    (void)state;
    struct cpu_arm_capabilities old = capabilities_of(&processors[2]);
    struct cpu_arm_capabilities new = old;
    new.hwcap2 |= UINT64_C(1) << 19 | UINT64_C(1) << 20 | UINT64_C(1) << 35; /* ecv, afp, rprfm */
    SCOPED(cpu_facts) struct cpu_facts a = CPU_FACTS_NONE;
    SCOPED(cpu_facts) struct cpu_facts b = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_arm(&a, &old, &error), B10_REASON_OK);
    assert_int_equal(cpu_decide_arm(&b, &new, &error), B10_REASON_OK);
    assert_string_equal(text_of(&a), text_of(&b));
}

static void vector_length_and_unknown_bits_tell_processors_apart(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    struct cpu_arm_capabilities small = {.hwcap = 3};
    assert_int_equal(cpu_decide_arm(&facts, &small, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "neon");
    assert_string_equal(text_of(&facts), "asimd,fp");
    struct cpu_arm_capabilities odd = {.hwcap = UINT64_C(1) << 63 | 1 << 22,
                                       .hwcap2 = 2,
                                       .hwcap3 = 16,
                                       .vector_bytes = 16};
    assert_int_equal(cpu_decide_arm(&facts, &odd, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "sve2");
    assert_string_equal(text_of(&facts), "hwcap3:4,hwcap:63,sve,sve-bits:128,sve2");
}

static void nothing_and_everything_are_answers_too(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    struct cpu_arm_capabilities nothing = {0};
    assert_int_equal(cpu_decide_arm(&facts, &nothing, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "generic");
    assert_string_equal(text_of(&facts), "");
    struct cpu_arm_capabilities all = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 256};
    assert_int_equal(cpu_decide_arm(&facts, &all, &error), B10_REASON_OK);
    assert_true(facts.features.size < 2048);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_processors_have_their_class_and_the_kernels_names),
        cmocka_unit_test(known_processors_differ_from_each_other),
        cmocka_unit_test(a_newer_kernel_makes_no_other_processor),
        cmocka_unit_test(vector_length_and_unknown_bits_tell_processors_apart),
        cmocka_unit_test(nothing_and_everything_are_answers_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
