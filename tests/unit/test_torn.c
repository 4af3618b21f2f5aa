#include "archive/torn.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/scratch.h"

static const struct scratch *where;

static int setup(void **state)
{
    int result = scratch_setup(state);
    where = *state;
    return result;
}

/* The answer for a file with this content, in memory and on disk: they must agree. */
static bool torn(const char *name, const void *content, size_t size)
{
    /* An allocation of its own, so that a read beyond it is seen by the sanitizer. */
    SCOPED(heap) unsigned char *exact = malloc(size ? size : 1);
    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, content, size);
    bool in_memory = torn_in_memory(name, exact, size);
    scratch_write(where, "file", content, size);
    SCOPED(fd) int fd = open(scratch_path(where, "file"), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(torn_on_disk(name, fd, size), in_memory);
    return in_memory;
}

static bool torn_text(const char *name, const char *text)
{
    return torn(name, text, strlen(text));
}

/* ---- JSON ---- */

static void whole_json_is_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "1",
        "true",
        "\"x\"",
        " {\"a\": [1, 2, {\"b\": \"}\"}]}\n",
        "\xef\xbb\xbf{}",
        "{\"a\": NaN, \"b\": -Infinity, \"c\": 1e999}",
        "\"\\\"\"",
        "\"\\\\\"",
        "{\"a\": \"[{\\\"\"}",
        "{}\n{}\n",
        "\t\r\n []",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (torn_text("a/x.json", texts[i]))
            fail_msg("torn: %s", texts[i]);
}

static void cut_json_is_torn(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " \n",
        "\xef\xbb\xbf",
        "{",
        "[",
        "\"",
        "{\"a\": 1",
        "\"a",
        "{\"a\": \"}",
        "[[]",
        "\"\\\"",
        "[\"\\\\\\\"]",
        "{\"a\": [1, 2}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (!torn_text("a/x.json", texts[i]))
            fail_msg("not torn: %s", texts[i]);
}

static void every_cut_of_an_object_is_torn(void **state)
{
    (void)state;
    static const char text[] = "{\"child_paths\": {\"k.cubin\": \"/tmp/a\\\"b\", \"n\": [1, {}]}}";
    for (size_t size = 0; size < sizeof(text) - 1; size++)
        assert_true(torn("__grp__k.json", text, size));
    assert_false(torn("__grp__k.json", text, sizeof(text) - 1));
}

static void json_that_lost_its_blocks_is_torn(void **state)
{
    (void)state;
    char zeros[9000] = {0};
    assert_true(torn("x.json", zeros, sizeof(zeros)));
    memcpy(zeros, "{\"a\": 1", 7);
    assert_true(torn("x.json", zeros, sizeof(zeros)));
}

static void large_json_is_scanned_in_pieces(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    SCOPED(heap) char *text = malloc(SIZE);
    assert_non_null(text);
    for (int shift = 0; shift < 4; shift++) {
        memset(text, '\\', SIZE);
        text[0] = '{';
        text[1] = '"';
        /* Escapes in pairs, so the quote closes; with an odd number it does not. */
        text[SIZE - 2 - shift] = '"';
        memset(text + SIZE - 1 - shift, '}', (size_t)(1 + shift));
        assert_int_equal(torn("x.json", text, SIZE), (SIZE - 4 - shift) % 2 != 0);
    }
}

static void only_names_that_end_so_are_json(void **state)
{
    (void)state;
    assert_false(torn_text("x.py", "{"));
    assert_false(torn_text("x.json.gz", "{"));
    assert_false(torn_text("xjson", "{"));
    assert_false(torn_text("empty", ""));
}

/* ---- ELF ---- */

enum { FILE_SIZE = 4096 };

static void put(unsigned char *at, uint64_t value, size_t size, bool big)
{
    for (size_t i = 0; i < size; i++)
        at[big ? size - 1 - i : i] = (unsigned char)(value >> 8 * i);
}

/* A file of FILE_SIZE bytes: header, one segment that ends at `segment_end`, section headers at the
 * end. */
static void elf64(unsigned char *file, bool big, uint64_t segment_end)
{
    memset(file, 0, FILE_SIZE);
    memcpy(file, "\177ELF", 4);
    file[EI_CLASS] = ELFCLASS64;
    file[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
    put(file + offsetof(Elf64_Ehdr, e_machine), EM_X86_64, 2, big);
    put(file + offsetof(Elf64_Ehdr, e_phoff), 64, 8, big);
    put(file + offsetof(Elf64_Ehdr, e_shoff), FILE_SIZE - 2 * 64, 8, big);
    put(file + offsetof(Elf64_Ehdr, e_phentsize), sizeof(Elf64_Phdr), 2, big);
    put(file + offsetof(Elf64_Ehdr, e_phnum), 1, 2, big);
    put(file + offsetof(Elf64_Ehdr, e_shentsize), sizeof(Elf64_Shdr), 2, big);
    put(file + offsetof(Elf64_Ehdr, e_shnum), 2, 2, big);
    put(file + 64 + offsetof(Elf64_Phdr, p_type), PT_LOAD, 4, big);
    put(file + 64 + offsetof(Elf64_Phdr, p_offset), 16, 8, big);
    put(file + 64 + offsetof(Elf64_Phdr, p_filesz), segment_end - 16, 8, big);
}

static void elf32(unsigned char *file, bool big, uint64_t segment_end)
{
    memset(file, 0, FILE_SIZE);
    memcpy(file, "\177ELF", 4);
    file[EI_CLASS] = ELFCLASS32;
    file[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
    put(file + offsetof(Elf32_Ehdr, e_phoff), 52, 4, big);
    put(file + offsetof(Elf32_Ehdr, e_shoff), FILE_SIZE - 2 * 40, 4, big);
    put(file + offsetof(Elf32_Ehdr, e_phentsize), sizeof(Elf32_Phdr), 2, big);
    put(file + offsetof(Elf32_Ehdr, e_phnum), 1, 2, big);
    put(file + offsetof(Elf32_Ehdr, e_shentsize), sizeof(Elf32_Shdr), 2, big);
    put(file + offsetof(Elf32_Ehdr, e_shnum), 2, 2, big);
    put(file + 52 + offsetof(Elf32_Phdr, p_type), PT_LOAD, 4, big);
    put(file + 52 + offsetof(Elf32_Phdr, p_offset), 16, 4, big);
    put(file + 52 + offsetof(Elf32_Phdr, p_filesz), segment_end - 16, 4, big);
}

static void elf_of_every_class_and_order_is_judged(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    for (int big = 0; big < 2; big++) {
        void (*const make[])(unsigned char *, bool, uint64_t) = {elf64, elf32};
        for (size_t i = 0; i < 2; i++) {
            make[i](file, big, FILE_SIZE);
            assert_false(torn("x.so", file, FILE_SIZE));
            assert_true(torn("x.so", file, FILE_SIZE - 1));
            make[i](file, big, FILE_SIZE + 1);
            assert_true(torn("x.so", file, FILE_SIZE));
            make[i](file, big, 15); /* size wraps around */
            assert_true(torn("x.so", file, FILE_SIZE));
        }
    }
}

static void every_cut_of_an_elf_is_torn(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    elf64(file, false, FILE_SIZE);
    for (size_t size = 4; size < FILE_SIZE; size += size < 200 ? 1 : 97)
        assert_true(torn("any name", file, size));
    for (size_t size = 0; size < 4; size++)
        assert_false(torn("any name", file, size));
}

static void section_headers_behind_the_end_are_torn(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    elf64(file, false, 100);
    put(file + offsetof(Elf64_Ehdr, e_shoff), FILE_SIZE - 2 * 64 + 1, 8, false);
    assert_true(torn("x.so", file, FILE_SIZE));
    put(file + offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX - 10, 8, false);
    assert_true(torn("x.so", file, FILE_SIZE));
    put(file + offsetof(Elf64_Ehdr, e_shoff), FILE_SIZE - 64, 8, false);
    put(file + offsetof(Elf64_Ehdr, e_shnum), 0, 2, false); /* the number stands in section 0 */
    assert_false(torn("x.so", file, FILE_SIZE));
    put(file + offsetof(Elf64_Ehdr, e_shoff), 0, 8, false);
    put(file + offsetof(Elf64_Ehdr, e_shnum), 9, 2, false);
    assert_false(torn("x.so", file, FILE_SIZE));
}

static void program_headers_behind_the_end_are_torn(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    elf64(file, false, 100);
    put(file + offsetof(Elf64_Ehdr, e_phoff), FILE_SIZE - 55, 8, false);
    assert_true(torn("x.so", file, FILE_SIZE));
    put(file + offsetof(Elf64_Ehdr, e_phoff), 64, 8, false);
    put(file + offsetof(Elf64_Ehdr, e_phnum), 0xfffe, 2, false);
    assert_true(torn("x.so", file, FILE_SIZE));
}

static void any_of_many_segments_is_judged(void **state)
{
    (void)state;
    enum { COUNT = 500, SIZE = 64 + COUNT * 56 };
    unsigned char *file = calloc(1, SIZE);
    assert_non_null(file);
    unsigned char head[FILE_SIZE];
    elf64(head, false, 100);
    memcpy(file, head, 64);
    put(file + offsetof(Elf64_Ehdr, e_shoff), 0, 8, false);
    put(file + offsetof(Elf64_Ehdr, e_phnum), COUNT, 2, false);
    for (size_t i = 0; i < COUNT; i++) {
        put(file + 64 + i * 56, PT_LOAD, 4, false);
        put(file + 64 + i * 56 + offsetof(Elf64_Phdr, p_filesz), SIZE, 8, false);
    }
    assert_false(torn("x", file, SIZE));
    for (size_t i = 0; i < COUNT; i += 83) {
        unsigned char *size = file + 64 + i * 56 + offsetof(Elf64_Phdr, p_filesz);
        put(size, SIZE + 1, 8, false);
        assert_true(torn("x", file, SIZE));
        put(file + 64 + i * 56, PT_NULL, 4, false);
        assert_false(torn("x", file, SIZE));
        put(file + 64 + i * 56, PT_LOAD, 4, false);
        put(size, SIZE, 8, false);
    }
    free(file);
}

static void empty_segments_may_lie_anywhere(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    elf64(file, false, 16);
    put(file + 64 + offsetof(Elf64_Phdr, p_offset), UINT64_MAX, 8, false);
    assert_false(torn("x.so", file, FILE_SIZE));
}

static void unknown_classes_are_left_alone(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    elf64(file, false, FILE_SIZE + 1);
    file[EI_CLASS] = 3;
    assert_false(torn("x.so", file, FILE_SIZE));
    file[EI_CLASS] = ELFCLASS64;
    file[EI_DATA] = 0;
    assert_false(torn("x.so", file, FILE_SIZE));
}

static void real_objects_are_whole_and_cut_ones_are_torn(void **state)
{
    (void)state;
    static const char *const names[] = {"/proc/self/exe", "/lib/x86_64-linux-gnu/libc.so.6",
                                        "/lib/aarch64-linux-gnu/libc.so.6"};
    int judged = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        SCOPED(fd) int fd = open(names[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        uint64_t size = (uint64_t)lseek(fd, 0, SEEK_END);
        assert_false(torn_on_disk("x.so", fd, size));
        assert_true(torn_on_disk("x.so", fd, size - 1));
        assert_true(torn_on_disk("x.so", fd, size / 2));
        assert_true(torn_on_disk("x.so", fd, 100));
        judged++;
    }
    assert_true(judged > 0);
}

static void a_read_error_counts_as_whole(void **state)
{
    (void)state;
    assert_false(torn_on_disk("x.json", -1, 10));
    assert_false(torn_on_disk("x.so", -1, 10));
}

/* ---- host code ---- */

static void host_code_is_elf_and_precompiled_headers(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    elf64(file, false, 100);
    assert_true(torn_is_host_code("", "a/b.so", file, 64));
    assert_true(torn_is_host_code("", "a/b", file, 4));
    assert_false(torn_is_host_code("", "a/b.so", file, 3));
    assert_true(torn_is_host_code("", "a/b.h.gch", "gpch", 4));
    assert_true(torn_is_host_code("", "a/b.pch", "", 0));
    assert_true(torn_is_host_code("", "a/b.pchi", "", 0));
    assert_false(torn_is_host_code("", "a/b.py", "import", 6));
    assert_false(torn_is_host_code("", "gch", "x", 1));
}

static void gpu_binaries_are_no_host_code(void **state)
{
    (void)state;
    unsigned char file[FILE_SIZE];
    elf64(file, false, 100);
    put(file + offsetof(Elf64_Ehdr, e_machine), 190, 2, false); /* EM_CUDA: a cubin */
    assert_false(torn_is_host_code("", "k.cubin", file, 64));
    put(file + offsetof(Elf64_Ehdr, e_machine), 224, 2, false); /* EM_AMDGPU: an hsaco */
    assert_false(torn_is_host_code("", "k.hsaco", file, 64));
    elf64(file, true, 100);
    put(file + offsetof(Elf64_Ehdr, e_machine), 190, 2, true);
    assert_false(torn_is_host_code("", "k.cubin", file, 64));
}

/* The names that Triton 3.x and 2.x give them, and what only looks like one. */
static void tritons_launchers_are_compiled_for_any_cpu(void **state)
{
    (void)state;
    static const char entry[] = "GQ5J2VYIXVSCQKTTFE3ZBX2XVTZWEGO6ZLUFV5Z6YJ7MPXVDK6FQ";
    static const char older[] = "b1946ac92492d2347c6235b4d2611184b1946ac92492d2347c6235b4d2611184";
    static const struct {
        const char *directory;
        const char *name;
        bool is_host_code;
    } cases[] = {
        {entry, "cuda_utils.cpython-311-x86_64-linux-gnu.so", false},
        {entry, "hip_utils.cpython-312-x86_64-linux-gnu.so", false},
        {entry, "__triton_launcher.cpython-310-x86_64-linux-gnu.so", false},
        {entry, "__triton_launcher.so", false},
        {older, "cuda_utils.so", false},
        {"triton/0/GQ5J2VYIXVSCQKTTFE3ZBX2XVTZWEGO6ZLUFV5Z6YJ7MPXVDK6FQ", "cuda_utils.so", false},
        {"", "cuda_utils.so", true},
        {"cuda_utils", "cuda_utils.so", true}, /* of torch.utils.cpp_extension */
        {"gq5j2vyixvscqkttfe3zbx2xvtzwego6zlufv5z6yj7mpxvdk6fq", "cuda_utils.so", true},
        {"GQ5J2VYIXVSCQKTTFE3ZBX2XVTZWEGO6ZLUFV5Z6YJ7MPXVDK6F", "cuda_utils.so", true},
        {entry, "cuda_utils_more.so", true},
        {entry, "cuda_utils", true},
        {entry, "cuda_utils.so.gch", true},
        {entry, "kernel.so", true},
        {"", "GQ5J2VYIXVSCQKTTFE3ZBX2XVTZWEGO6ZLUFV5Z6YJ7MPXVDK6FQ/cuda_utils.so", true},
    };
    unsigned char file[FILE_SIZE];
    elf64(file, false, 100);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (torn_is_host_code(cases[i].directory, cases[i].name, file, 64) != cases[i].is_host_code)
            fail_msg("%s/%s", cases[i].directory, cases[i].name);
    }
    assert_false(torn_is_host_code(entry, "cuda_utils.so", "no ELF", 6));
}

int main(void)
{
#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(whole_json_is_whole),
        WITH_SCRATCH(cut_json_is_torn),
        WITH_SCRATCH(every_cut_of_an_object_is_torn),
        WITH_SCRATCH(json_that_lost_its_blocks_is_torn),
        WITH_SCRATCH(large_json_is_scanned_in_pieces),
        WITH_SCRATCH(only_names_that_end_so_are_json),
        WITH_SCRATCH(elf_of_every_class_and_order_is_judged),
        WITH_SCRATCH(every_cut_of_an_elf_is_torn),
        WITH_SCRATCH(section_headers_behind_the_end_are_torn),
        WITH_SCRATCH(program_headers_behind_the_end_are_torn),
        WITH_SCRATCH(any_of_many_segments_is_judged),
        WITH_SCRATCH(empty_segments_may_lie_anywhere),
        WITH_SCRATCH(unknown_classes_are_left_alone),
        cmocka_unit_test(real_objects_are_whole_and_cut_ones_are_torn),
        cmocka_unit_test(a_read_error_counts_as_whole),
        cmocka_unit_test(host_code_is_elf_and_precompiled_headers),
        cmocka_unit_test(gpu_binaries_are_no_host_code),
        cmocka_unit_test(tritons_launchers_are_compiled_for_any_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
