/* The decision over CPUID as real processors answer it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/cpu.h"
#include "env/key.h"
#include "support/scratch.h"
#include "unit/recorded_x86.h"

static struct b10_error error = ERROR_NONE;

static const char *text_of(const struct cpu_facts *facts)
{
    return (const char *)facts->features.data;
}

static int lists(const char *features, const char *name)
{
    char wrapped[4096];
    char wanted[64];
    snprintf(wrapped, sizeof(wrapped), ",%s,", features);
    snprintf(wanted, sizeof(wanted), ",%s,", name);
    return strstr(wrapped, wanted) != NULL;
}

/* ---- recorded processors ---- */

enum { PROCESSORS = sizeof(processors) / sizeof(*processors) };
enum { HASWELL, SKYLAKE, ICE_LAKE, SAPPHIRE_RAPIDS, GRANITE_RAPIDS, ALDER_LAKE };

static const struct answer *find(const struct processor *processor, uint32_t leaf, uint32_t subleaf)
{
    for (size_t i = 0; i < sizeof(processor->answers) / sizeof(*processor->answers); i++) {
        const struct answer *answer = &processor->answers[i];
        if (answer->leaf == leaf && answer->subleaf == subleaf && (i == 0 || leaf != 0))
            return answer;
    }
    return NULL;
}

/* Leaves 7 and 0x24 say in eax which of their subleaves is the last. */
static int is_beyond(const struct processor *processor, uint32_t leaf, uint32_t subleaf)
{
    if (leaf > find(processor, leaf & 0x80000000, 0)->said.eax)
        return 1;
    const struct answer *main = find(processor, leaf, 0);
    return (leaf == 7 || leaf == 0x24) && main != NULL && subleaf > main->said.eax;
}

/* Beyond the highest leaf it answers rubbish, as Intel's do (with the highest leaf's registers). */
static struct cpu_x86_registers play(void *context, uint32_t leaf, uint32_t subleaf)
{
    const struct processor *processor = context;
    if (is_beyond(processor, leaf, subleaf))
        return (struct cpu_x86_registers){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    const struct answer *answer = find(processor, leaf, subleaf);
    return answer != NULL ? answer->said : (struct cpu_x86_registers){0};
}

static uint64_t play_xcr0(void *context)
{
    return ((const struct processor *)context)->xcr0;
}

static struct cpu_x86_leaves leaves_of(const struct processor *processor)
{
    struct processor copy = *processor;
    const struct cpu_x86_source source = {play, play_xcr0, &copy};
    struct cpu_x86_leaves leaves;
    cpu_read_x86(&leaves, &source);
    return leaves;
}

static void decide(struct cpu_facts *facts, const struct processor *processor)
{
    struct cpu_x86_leaves leaves = leaves_of(processor);
    assert_int_equal(cpu_decide_x86(facts, &leaves, &error), B10_REASON_OK);
}

/* Every word of `words` is listed, or none is. */
static void assert_words(const struct processor *processor, const char *words, int listed)
{
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    decide(&facts, processor);
    char line[512];
    snprintf(line, sizeof(line), "%s", words);
    for (char *rest = line, *word; (word = strsep(&rest, " ")) != NULL;) {
        if (lists(text_of(&facts), word) != listed)
            fail_msg("%s: %s %s in %s", processor->name, word, listed ? "is not" : "is",
                     text_of(&facts));
    }
}

static void known_processors_have_their_class_and_features(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROCESSORS; i++) {
        SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
        decide(&facts, &processors[i]);
        assert_string_equal(facts.level, processors[i].level);
        assert_words(&processors[i], processors[i].has, 1);
        assert_words(&processors[i], processors[i].lacks, 0);
        assert_null(strstr(text_of(&facts), "cpuid-"));
    }
}

static void key_of(struct key *key, const struct processor *processor)
{
    SCOPED(cpu_facts) struct cpu_facts cpu = CPU_FACTS_NONE;
    SCOPED(facts) struct facts facts = FACTS_NONE;
    decide(&cpu, processor);
    assert_int_equal(facts_add(&facts, "kind", "inductor", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "device", "cpu", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "os", "linux", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "arch", "x86_64", &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "cpu", cpu.level, &error), B10_REASON_OK);
    assert_int_equal(facts_add(&facts, "cpu_features", text_of(&cpu), &error), B10_REASON_OK);
    assert_int_equal(key_make(key, &facts, &error), B10_REASON_OK);
}

static void known_processors_have_different_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROCESSORS; i++) {
        for (size_t j = 0; j < i; j++) {
            struct key a;
            struct key b;
            key_of(&a, &processors[i]);
            key_of(&b, &processors[j]);
            assert_string_not_equal(a.text, b.text);
        }
    }
}

/* The list is what gcc 12 and clang 14 select there with -march=native. */
static void the_whole_list_is_what_compilers_select(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    decide(&facts, &processors[PROCESSORS - 1]);
    assert_string_equal(text_of(&facts),
                        "adx,aes,avx,avx2,avx512bf16,avx512bitalg,avx512bw,avx512cd,avx512dq,"
                        "avx512f,avx512ifma,avx512vbmi,avx512vbmi2,avx512vl,avx512vnni,"
                        "avx512vpopcntdq,bmi,bmi2,clflushopt,clwb,clzero,cx16,f16c,fma,fsgsbase,"
                        "fxsr,gfni,invpcid,lzcnt,mmx,movbe,pclmul,popcnt,prfchw,rdpid,rdrnd,rdseed,"
                        "sahf,sha,shstk,sse,sse2,sse3,sse4.1,sse4.2,sse4a,ssse3,vaes,vpclmulqdq,"
                        "xsave,xsavec,xsaveopt,xsaves");
}

static void both_kinds_of_core_of_a_hybrid_processor_are_one_environment(void **state)
{
    (void)state;
    struct processor efficient = processors[ALDER_LAKE];
    for (size_t i = 0; i < sizeof(efficient.answers) / sizeof(*efficient.answers); i++) {
        struct answer *answer = &efficient.answers[i];
        if (answer->leaf == 0x1)
            answer->said.ebx = 0x46800800;
        if (answer->leaf == 0x14)
            answer->said.ecx = 0x80000007; /* the registers in which its dump differs */
    }
    SCOPED(cpu_facts) struct cpu_facts a = CPU_FACTS_NONE;
    SCOPED(cpu_facts) struct cpu_facts b = CPU_FACTS_NONE;
    decide(&a, &processors[ALDER_LAKE]);
    decide(&b, &efficient);
    assert_string_equal(text_of(&a), text_of(&b));
}

/* ---- what the kernel enables ---- */

static void a_vm_without_avx512_state_has_all_but_avx512(void **state)
{
    (void)state;
    struct processor masked = processors[SKYLAKE];
    masked.xcr0 = 0x7;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    SCOPED(cpu_facts) struct cpu_facts whole = CPU_FACTS_NONE;
    decide(&facts, &masked);
    decide(&whole, &processors[SKYLAKE]);
    assert_string_equal(facts.level, "avx2");
    char line[2048];
    snprintf(line, sizeof(line), "%s", text_of(&whole));
    for (char *rest = line, *name; (name = strsep(&rest, ",")) != NULL;)
        assert_int_equal(lists(text_of(&facts), name), strncmp(name, "avx512", 6) != 0);
    assert_true(strlen(text_of(&facts)) < strlen(text_of(&whole)));
}

static void what_the_kernel_does_not_save_is_not_usable(void **state)
{
    (void)state;
    static const struct {
        uint64_t xcr0;
        const char *level;
        const char *has;
        const char *lacks;
    } kernels[] = {
        {0x602e7, "avx512", "amx-tile amx-int8 avx512f", "apxf"},
        {0x2e7, "avx512", "avx512f avx512fp16 avx512bf16", "amx-tile amx-int8 amx-bf16"},
        {0x7, "avx2", "avx2 vaes vpclmulqdq avxvnni fma f16c gfni", "avx512f avx512vl avx512bf16"},
        {0x67, "avx2", "avx2", "avx512f avx512fp16"}, /* the upper registers are missing */
        {0xe3, "sse42", "xsave gfni", "avx avx512f"}, /* what lies under them is */
        {0x202e7, "avx512", "avx512f", "amx-tile"},   /* tile configuration without tiles */
        {0x3, "sse42", "xsave sse4.2 bmi bmi2 sha adx", "avx fma f16c avx2 vaes vpclmulqdq"},
        {0, "sse42", "sse4.2 aes popcnt", "xsave xsavec xsaveopt xsaves avx amx-tile"},
    };
    for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
        struct processor processor = processors[SAPPHIRE_RAPIDS];
        processor.xcr0 = kernels[i].xcr0;
        SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
        decide(&facts, &processor);
        assert_string_equal(facts.level, kernels[i].level);
        assert_words(&processor, kernels[i].has, 1);
        assert_words(&processor, kernels[i].lacks, 0);
    }
}

static uint64_t no_xcr0(void *context)
{
    (void)context;
    fail_msg("xgetbv dies where the kernel has not turned it on");
    return 0;
}

static void xgetbv_is_not_asked_without_osxsave(void **state)
{
    (void)state;
    struct processor processor = processors[HASWELL];
    processor.answers[1].said.ecx &= ~(UINT32_C(1) << 27);
    const struct cpu_x86_source source = {play, no_xcr0, &processor};
    struct cpu_x86_leaves leaves;
    cpu_read_x86(&leaves, &source);
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_x86(&facts, &leaves, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "sse42");
    assert_false(lists(text_of(&facts), "avx"));
}

static void key_locker_needs_the_kernel(void **state)
{
    (void)state;
    struct cpu_x86_leaves leaves = {.leaf7_ecx = 1u << 23, .leaf19_ebx = 1u << 2};
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_x86(&facts, &leaves, &error), B10_REASON_OK);
    assert_string_equal(text_of(&facts), "");
    leaves.leaf19_ebx |= 1;
    assert_int_equal(cpu_decide_x86(&facts, &leaves, &error), B10_REASON_OK);
    assert_string_equal(text_of(&facts), "kl,widekl");
}

static void protection_keys_need_the_kernel(void **state)
{
    (void)state;
    struct processor processor = processors[ICE_LAKE];
    assert_words(&processor, "pku",
                 0); /* bit 3 says that there are some, bit 4 that it uses them */
    processor.answers[2].said.ecx |= 1u << 4;
    assert_words(&processor, "pku", 1);
}

/* ---- what does not count ---- */

static void a_leaf_beyond_the_highest_is_not_believed(void **state)
{
    (void)state;
    struct processor processor = processors[SAPPHIRE_RAPIDS];
    processor.answers[0].said.eax = 0x6; /* a hypervisor that hides leaf 7 and what follows */
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    decide(&facts, &processor);
    assert_string_equal(facts.level, "avx");
    assert_words(&processor, "avx2 bmi avx512f amx-tile xsaves ptwrite avx10.255 kl", 0);
    struct processor plain = processors[HASWELL];
    struct cpu_x86_leaves leaves = leaves_of(&plain);
    assert_int_equal(leaves.leaf14_ebx | leaves.leaf19_ebx | leaves.leaf1e_1_eax, 0);
    assert_int_equal(leaves.leaf24_ebx | leaves.leaf29_ebx | leaves.leaf80000021_eax, 0);
    assert_int_equal(leaves.leaf7_1_eax | leaves.leaf7_1_edx, 0);
}

static void what_no_compiler_selects_on_is_not_in_the_list(void **state)
{
    (void)state;
    struct cpu_x86_leaves leaves = leaves_of(&processors[SAPPHIRE_RAPIDS]);
    struct cpu_x86_leaves other = leaves;
    /* dtes64, monitor, vmx, est, pdcm, pcid, dca, x2apic, tsc deadline, hypervisor */
    other.leaf1_ecx ^= 1u << 2 | 1u << 3 | 1u << 5 | 1u << 7 | 1u << 15 | 1u << 17 | 1u << 18 |
                       1u << 21 | 1u << 24 | 1u << 31;
    other.leaf1_edx ^= 1u << 4 | 1u << 7 | 1u << 28;                      /* tsc, mce, ht */
    other.leaf7_ebx ^= 1u << 1 | 1u << 7 | 1u << 9 | 1u << 12 | 1u << 15; /* tsc adjust, smep, … */
    other.leaf7_ecx ^= 1u << 2 | 1u << 16 | 1u << 24; /* umip, la57, bus lock detection */
    other.leaf7_edx ^= 1u << 4 | 1u << 10 | 1u << 15 | 1u << 26 | 1u << 27 | 1u << 31;
    other.leaf7_1_eax ^= 1u << 10 | 1u << 11 | 1u << 12 | 1u << 26; /* fast rep, lam */
    other.leaf80000001_ecx ^= 1u << 1 | 1u << 2 | 1u << 22;         /* cmp_legacy, svm, topoext */
    other.leaf80000008_ebx ^= 1u << 12 | 1u << 14 | 1u << 24;       /* ibpb, ibrs, ssbd */
    SCOPED(cpu_facts) struct cpu_facts a = CPU_FACTS_NONE;
    SCOPED(cpu_facts) struct cpu_facts b = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_x86(&a, &leaves, &error), B10_REASON_OK);
    assert_int_equal(cpu_decide_x86(&b, &other, &error), B10_REASON_OK);
    assert_string_equal(text_of(&a), text_of(&b));
}

/* ---- edges ---- */

static void instructions_newer_than_the_table_tell_processors_apart(void **state)
{
    (void)state;
    struct cpu_x86_leaves leaves = {.leaf7_1_eax = 1u << 4 | 1u << 29,
                                    .leaf24_1_ecx = 4,
                                    .leaf29_ebx = 1,
                                    .xcr0 = 0x7};
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_x86(&facts, &leaves, &error), B10_REASON_OK);
    assert_string_equal(text_of(&facts),
                        "avxvnni,cpuid-24.1.ecx:4,cpuid-29.ebx:1,cpuid-7.1.eax:20000000");
}

static void all_bits_make_all_names_once_in_order(void **state)
{
    (void)state;
    struct cpu_x86_leaves all;
    memset(&all, 0xff, sizeof(all));
    all.leaf24_ebx = 0x01070002;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_x86(&facts, &all, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "avx512");
    assert_true(facts.features.size < 2048);
    assert_true(lists(text_of(&facts), "avx10.2"));
    assert_true(lists(text_of(&facts), "apxf"));
    char previous[64] = "";
    for (const char *at = text_of(&facts); *at != '\0'; at += *at == ',') {
        char name[64];
        size_t length = strcspn(at, ",");
        snprintf(name, sizeof(name), "%.*s", (int)length, at);
        assert_true(strcmp(previous, name) < 0);
        memcpy(previous, name, sizeof(name));
        at += length;
    }
}

static void a_processor_that_knows_nothing_is_sse2(void **state)
{
    (void)state;
    struct cpu_x86_leaves none = {0};
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_x86(&facts, &none, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "sse2");
    assert_string_equal(text_of(&facts), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_processors_have_their_class_and_features),
        cmocka_unit_test(known_processors_have_different_keys),
        cmocka_unit_test(the_whole_list_is_what_compilers_select),
        cmocka_unit_test(both_kinds_of_core_of_a_hybrid_processor_are_one_environment),
        cmocka_unit_test(a_vm_without_avx512_state_has_all_but_avx512),
        cmocka_unit_test(what_the_kernel_does_not_save_is_not_usable),
        cmocka_unit_test(xgetbv_is_not_asked_without_osxsave),
        cmocka_unit_test(key_locker_needs_the_kernel),
        cmocka_unit_test(protection_keys_need_the_kernel),
        cmocka_unit_test(a_leaf_beyond_the_highest_is_not_believed),
        cmocka_unit_test(what_no_compiler_selects_on_is_not_in_the_list),
        cmocka_unit_test(instructions_newer_than_the_table_tell_processors_apart),
        cmocka_unit_test(all_bits_make_all_names_once_in_order),
        cmocka_unit_test(a_processor_that_knows_nothing_is_sse2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
