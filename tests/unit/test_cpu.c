#include "env/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

static const char *text_of(const struct cpu_facts *facts)
{
    return (const char *)facts->features.data;
}

static int lists(const char *features, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = features; (at = strstr(at, name)) != NULL; at += length) {
        int begins = at == features || at[-1] == ',';
        int ends = at[length] == ',' || at[length] == '\0';
        if (begins && ends)
            return 1;
    }
    return 0;
}

/* Recorded on an AMD EPYC of family 25, model 17 (Zen 4), in a KVM guest under Linux. */
static const struct cpu_x86_leaves zen4 = {
    .leaf1_ecx = 0xfffa3203,
    .leaf1_edx = 0x178bfbff,
    .leaf7_ebx = 0xf1bf07ab,
    .leaf7_ecx = 0x00405fc6,
    .leaf7_edx = 0x00000010,
    .leaf7_1_eax = 0x00000020,
    .leafd_1_eax = 0x0000000f,
    .leaf80000001_ecx = 0x004003f3,
    .leaf80000001_edx = 0x2fd3fbff,
    .leaf80000008_ebx = 0x50020005,
    .xcr0 = 0xe7,
};

/* Composed from the manuals' bits: that one, with tiles and with what comes with them on server
 * processors. */
static struct cpu_x86_leaves with_tiles(void)
{
    struct cpu_x86_leaves leaves = zen4;
    leaves.leaf7_ecx |= 1u << 5 | 1u << 27 | 1u << 28; /* waitpkg, movdiri, movdir64b */
    leaves.leaf7_edx |= 1u << 14 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25;
    leaves.leaf7_1_eax |= 1u << 4 | 1u << 23; /* avxvnni, avxifma */
    leaves.leaf14_ebx |= 1u << 4;             /* ptwrite */
    leaves.xcr0 = 0x602e7;
    return leaves;
}

/* The list is what gcc 12 and clang 14 select there with -march=native. */
static void a_recorded_zen4_has_the_features_that_compilers_select_there(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_x86(&facts, &zen4, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "avx512");
    assert_string_equal(text_of(&facts),
                        "adx,aes,avx,avx2,avx512bf16,avx512bitalg,avx512bw,avx512cd,avx512dq,"
                        "avx512f,avx512ifma,avx512vbmi,avx512vbmi2,avx512vl,avx512vnni,"
                        "avx512vpopcntdq,bmi,bmi2,clflushopt,clwb,clzero,cx16,f16c,fma,fsgsbase,"
                        "fxsr,gfni,invpcid,lzcnt,mmx,movbe,pclmul,popcnt,prfchw,rdpid,rdrnd,rdseed,"
                        "sahf,sha,shstk,sse,sse2,sse3,sse4.1,sse4.2,sse4a,ssse3,vaes,vpclmulqdq,"
                        "xsave,xsavec,xsaveopt,xsaves");
}

static void tiles_and_later_bits_have_their_names(void **state)
{
    (void)state;
    static const char *const names[] = {"waitpkg",  "movdiri",    "movdir64b", "serialize",
                                        "amx-bf16", "avx512fp16", "amx-tile",  "amx-int8",
                                        "avxvnni",  "avxifma",    "ptwrite"};
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    struct cpu_x86_leaves leaves = with_tiles();
    assert_int_equal(cpu_decide_x86(&facts, &leaves, &error), B10_REASON_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!lists(text_of(&facts), names[i]))
            fail_msg("%s is missing in %s", names[i], text_of(&facts));
    }
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
        {0x602e7, "avx512", "amx-tile", "apxf"}, {0x2e7, "avx512", "avx512f", "amx-tile"},
        {0x7, "avx2", "avx2", "avx512f"},        {0x67, "avx2", "avx2", "avx512f"},
        {0x3, "sse42", "xsave", "avx"},          {0, "sse42", "sse4.2", "xsave"},
    };
    for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
        SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
        struct cpu_x86_leaves leaves = with_tiles();
        leaves.xcr0 = kernels[i].xcr0;
        assert_int_equal(cpu_decide_x86(&facts, &leaves, &error), B10_REASON_OK);
        assert_string_equal(facts.level, kernels[i].level);
        assert_true(lists(text_of(&facts), kernels[i].has));
        assert_false(lists(text_of(&facts), kernels[i].lacks));
    }
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
    assert_true(lists(text_of(&facts), "kl"));
    assert_true(lists(text_of(&facts), "widekl"));
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

/* ---- aarch64 ---- */

static void arm_capabilities_have_the_kernels_names(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_arm(&facts, 0xffffffff, 1u << 14, 32, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "sve");
    assert_true(lists(text_of(&facts), "asimd"));
    assert_false(lists(text_of(&facts), "svebf16"));
    assert_true(lists(text_of(&facts), "bf16"));
    assert_true(lists(text_of(&facts), "sve-bits:256"));
    assert_false(lists(text_of(&facts), "evtstrm"));
    assert_false(lists(text_of(&facts), "cpuid"));
}

static void vector_length_and_unknown_bits_tell_arm_processors_apart(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_decide_arm(&facts, 3, 0, 0, &error), B10_REASON_OK);
    assert_string_equal(facts.level, "neon");
    assert_string_equal(text_of(&facts), "asimd,fp");
    assert_int_equal(cpu_decide_arm(&facts, UINT64_C(1) << 40 | 1 << 22, 2, 16, &error), 0);
    assert_string_equal(facts.level, "sve2");
    assert_string_equal(text_of(&facts), "hwcap:40,sve,sve-bits:128,sve2");
    assert_int_equal(cpu_decide_arm(&facts, UINT64_MAX, UINT64_MAX, 256, &error), B10_REASON_OK);
    assert_true(facts.features.size < 2048);
}

/* ---- this machine ---- */

#if defined(__x86_64__)

/* What gcc reports as on for -march=native and what is no instruction set. */
static int is_no_feature(const char *name)
{
    static const char *const others[] = {"128bit-long-double",
                                         "64",
                                         "80387",
                                         "align-stringops",
                                         "direct-extern-access",
                                         "fancy-math-387",
                                         "fp-ret-in-387",
                                         "glibc",
                                         "hard-float",
                                         "ieee-fp",
                                         "long-double-80",
                                         "push-args",
                                         "red-zone",
                                         "stv",
                                         "tls-direct-seg-refs",
                                         "vzeroupper",
                                         "avx256-split-unaligned-load",
                                         "avx256-split-unaligned-store",
                                         "no-sse4",
                                         "sse4",
                                         "abm",
                                         "crc32",
                                         "mwait",
                                         "sse5",
                                         "omit-leaf-frame-pointer",
                                         "80387",
                                         "recip",
                                         "evex512",
                                         "ms-bitfields",
                                         "relax-cmpxchg-loop",
                                         "sse2avx",
                                         "generate-prefetch",
                                         "inline-all-stringops"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (strcmp(others[i], name) == 0)
            return 1;
    }
    return 0;
}

/* -march=native of the installed gcc: a name per line in `on`, and all it knows in `known`. */
static int ask_gcc(char *on, char *known, size_t size)
{
    FILE *output = popen("LC_ALL=C gcc -march=native -Q --help=target 2>/dev/null", "re");
    if (output == NULL)
        return 0;
    char line[512];
    while (fgets(line, sizeof(line), output) != NULL) {
        char name[200];
        char value[200];
        if (sscanf(line, " -m%199[^ \t=] %199[^\n]", name, value) != 2 || value[0] != '[')
            continue;
        snprintf(known + strlen(known), size - strlen(known), "%s,", name);
        if (strcmp(value, "[enabled]") == 0)
            snprintf(on + strlen(on), size - strlen(on), "%s,", name);
    }
    return pclose(output) == 0 && *on != '\0';
}

static void this_processor_is_what_gcc_takes_it_for(void **state)
{
    (void)state;
    static char on[32768];
    static char known[32768];
    if (!ask_gcc(on, known, sizeof(on))) {
        print_message("no gcc here that answers -march=native -Q --help=target\n");
        skip();
    }
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_detect(&facts, &error), B10_REASON_OK);
    assert_string_equal(facts.architecture, "x86_64");
    size_t compared = 0;
    for (char *rest = on, *name; (name = strsep(&rest, ",")) != NULL;) {
        if (*name == '\0' || is_no_feature(name))
            continue;
        if (!lists(text_of(&facts), name))
            fail_msg("gcc has -m%s on; we have %s", name, text_of(&facts));
        compared++;
    }
    assert_true(compared > 5);
}

static void gcc_takes_this_processor_for_what_we_do(void **state)
{
    (void)state;
    static char on[32768];
    static char known[32768];
    if (!ask_gcc(on, known, sizeof(on))) {
        print_message("no gcc here that answers -march=native -Q --help=target\n");
        skip();
    }
    SCOPED(cpu_facts) struct cpu_facts facts = CPU_FACTS_NONE;
    assert_int_equal(cpu_detect(&facts, &error), B10_REASON_OK);
    char ours[2048];
    snprintf(ours, sizeof(ours), "%s", text_of(&facts));
    for (char *rest = ours, *name; (name = strsep(&rest, ",")) != NULL;) {
        if (lists(known, name) && !lists(on, name))
            fail_msg("we have %s, gcc has it off", name);
    }
}

#endif

static void detection_is_the_same_every_time(void **state)
{
    (void)state;
    SCOPED(cpu_facts) struct cpu_facts first = CPU_FACTS_NONE;
    SCOPED(cpu_facts) struct cpu_facts second = CPU_FACTS_NONE;
    assert_int_equal(cpu_detect(&first, &error), B10_REASON_OK);
    assert_int_equal(cpu_detect(&second, &error), B10_REASON_OK);
    assert_string_equal(first.architecture, second.architecture);
    assert_string_equal(first.level, second.level);
    assert_string_equal(text_of(&first), text_of(&second));
    assert_true(strlen(first.level) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_zen4_has_the_features_that_compilers_select_there),
        cmocka_unit_test(tiles_and_later_bits_have_their_names),
        cmocka_unit_test(what_the_kernel_does_not_save_is_not_usable),
        cmocka_unit_test(all_bits_make_all_names_once_in_order),
        cmocka_unit_test(a_processor_that_knows_nothing_is_sse2),
        cmocka_unit_test(key_locker_needs_the_kernel),
        cmocka_unit_test(arm_capabilities_have_the_kernels_names),
        cmocka_unit_test(vector_length_and_unknown_bits_tell_arm_processors_apart),
#if defined(__x86_64__)
        cmocka_unit_test(this_processor_is_what_gcc_takes_it_for),
        cmocka_unit_test(gcc_takes_this_processor_for_what_we_do),
#endif
        cmocka_unit_test(detection_is_the_same_every_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
