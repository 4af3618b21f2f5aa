#include "archive/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "support/scratch.h"

enum { BATCHES = 4096 };

/* A tree of made-up files, and the batches that came of it. */
struct cutting {
    struct tree tree;
    struct batcher *batcher;
    struct batch batches[BATCHES];
    size_t count;
};

static int cutting_setup(void **state)
{
    struct cutting *cutting = calloc(1, sizeof(*cutting));
    size_t root;
    if (cutting == NULL || tree_add_root(&cutting->tree, "inductor", "/x", -1, &root, NULL) != 0)
        return -1;
    *state = cutting;
    return 0;
}

static int cutting_teardown(void **state)
{
    struct cutting *cutting = *state;
    for (size_t i = 0; i < cutting->count; i++)
        batch_release(&cutting->batches[i]);
    batcher_free(cutting->batcher);
    tree_release(&cutting->tree);
    free(cutting);
    return 0;
}

static uint32_t add(struct cutting *cutting, off_t size)
{
    char path[32];
    const struct stat stat = {.st_mode = S_IFREG | 0644, .st_size = size};
    snprintf(path, sizeof(path), "%08zu", cutting->tree.item_count);
    assert_int_equal(tree_add(&cutting->tree, 0, path, &stat, NULL), 0);
    return (uint32_t)cutting->tree.item_count - 1;
}

static void add_duplicates(struct cutting *cutting, uint32_t original, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t item = add(cutting, (off_t)cutting->tree.items[original].size);
        cutting->tree.items[item].original = original;
    }
}

static void begin(struct cutting *cutting)
{
    assert_int_equal(batcher_new(&cutting->batcher, &cutting->tree, NULL, 0, NULL), 0);
}

/* The next batch, or NULL at the end. */
static struct batch *next(struct cutting *cutting)
{
    bool more;
    assert_true(cutting->count < BATCHES);
    struct batch *batch = &cutting->batches[cutting->count];
    assert_int_equal(batcher_next(cutting->batcher, batch, &more, NULL), 0);
    if (!more)
        return NULL;
    cutting->count++;
    return batch;
}

static void cut_all(struct cutting *cutting)
{
    begin(cutting);
    while (next(cutting) != NULL)
        continue;
}

/* Every item is in exactly one batch: as a member, as a duplicate of a large file, or as that
 * file. */
static void assert_each_once(const struct cutting *cutting)
{
    for (uint32_t item = 0; item < cutting->tree.item_count; item++) {
        size_t seen = 0;
        for (size_t i = 0; i < cutting->count; i++) {
            const struct batch *batch = &cutting->batches[i];
            seen += batch->kind == FRAME_HEADER && batch->item == item;
            for (size_t k = 0; k < batch->member_count; k++)
                seen += batch->members[k].item == item;
        }
        assert_int_equal(seen, 1);
    }
}

static void small_files_share_frames_of_about_a_megabyte(void **state)
{
    struct cutting *cutting = *state;
    for (int i = 0; i < 1000; i++)
        add(cutting, 5000);
    cut_all(cutting);
    assert_each_once(cutting);
    assert_int_equal(cutting->count, 7); /* 1,000 × (1,536 + 5,120) bytes */
    uint32_t expected = 0;
    for (size_t i = 0; i < cutting->count; i++) {
        const struct batch *batch = &cutting->batches[i];
        assert_int_equal(batch->kind, FRAME_MEMBERS);
        assert_true(batch->member_count * (1536 + 5120) <= FRAME_TARGET_SIZE);
        for (size_t k = 0; k < batch->member_count; k++)
            assert_int_equal(batch->members[k].item, expected++);
    }
}

static void duplicates_follow_their_original_at_once(void **state)
{
    struct cutting *cutting = *state;
    const uint32_t first = add(cutting, 100);
    const uint32_t second = add(cutting, 200);
    add_duplicates(cutting, first, 2);  /* 2, 3 */
    add(cutting, 300);                  /* 4 */
    add_duplicates(cutting, second, 1); /* 5 */
    cut_all(cutting);
    assert_int_equal(cutting->count, 1);
    const struct batch *batch = &cutting->batches[0];
    const uint32_t order[] = {0, 2, 3, 1, 5, 4};
    const bool duplicate[] = {false, true, true, false, true, false};
    assert_int_equal(batch->member_count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(batch->members[i].item, order[i]);
        assert_int_equal(batch->members[i].duplicate, duplicate[i]);
    }
}

static void links_beyond_four_megabytes_begin_with_an_original_again(void **state)
{
    struct cutting *cutting = *state;
    add_duplicates(cutting, add(cutting, 100), 6000);
    cut_all(cutting);
    assert_each_once(cutting);
    assert_int_equal(cutting->count, 3);
    for (size_t i = 0; i < cutting->count; i++) {
        const struct batch *batch = &cutting->batches[i];
        assert_true(batch->member_count * 1536 <= FRAME_LINKS_SIZE);
        assert_false(batch->members[0].duplicate);
        for (size_t k = 1; k < batch->member_count; k++)
            assert_true(batch->members[k].duplicate);
    }
}

static void a_file_of_exactly_one_frame_is_not_sliced(void **state)
{
    struct cutting *cutting = *state;
    add(cutting, FRAME_TARGET_SIZE);
    add(cutting, FRAME_TARGET_SIZE + 1);
    cut_all(cutting);
    assert_int_equal(cutting->count, 4);
    assert_int_equal(cutting->batches[0].kind, FRAME_MEMBERS);
    assert_int_equal(cutting->batches[1].kind, FRAME_HEADER);
    assert_int_equal(cutting->batches[2].kind, FRAME_SLICE);
    assert_int_equal(cutting->batches[3].kind, FRAME_SLICE);
    assert_int_equal(cutting->batches[3].length, 1);
}

static void slices_cover_a_large_file_without_gap(void **state)
{
    struct cutting *cutting = *state;
    const uint64_t size = 5 * (uint64_t)FRAME_TARGET_SIZE + 77;
    const uint32_t small = add(cutting, 10);
    const uint32_t large = add(cutting, (off_t)size);
    add_duplicates(cutting, large, 3);
    const uint32_t after = add(cutting, 20);
    cut_all(cutting);
    assert_each_once(cutting);
    assert_int_equal(cutting->batches[0].members[0].item, small);
    assert_int_equal(cutting->batches[1].kind, FRAME_HEADER);
    assert_int_equal(cutting->batches[1].item, large);
    assert_int_equal(cutting->batches[1].member_count, 3);
    uint64_t offset = 0;
    size_t i = 2;
    for (; offset < size; i++) {
        const struct batch *slice = &cutting->batches[i];
        assert_int_equal(slice->kind, FRAME_SLICE);
        assert_int_equal(slice->item, large);
        assert_int_equal(slice->offset, offset);
        offset += slice->length;
        assert_int_equal(slice->last, offset == size);
    }
    assert_int_equal(offset, size);
    assert_int_equal(cutting->batches[i].members[0].item, after);
    assert_int_equal(cutting->count, i + 1);
}

static void all_duplicates_of_a_large_file_come_with_its_header(void **state)
{
    struct cutting *cutting = *state;
    add_duplicates(cutting, add(cutting, 2 * FRAME_TARGET_SIZE), 10000);
    cut_all(cutting);
    assert_int_equal(cutting->count, 3);
    assert_int_equal(cutting->batches[0].member_count, 10000);
}

static void a_dropped_large_file_leaves_its_place_to_its_first_duplicate(void **state)
{
    struct cutting *cutting = *state;
    const uint32_t large = add(cutting, 2 * FRAME_TARGET_SIZE);
    add_duplicates(cutting, large, 2); /* 1, 2 */
    add(cutting, 5);                   /* 3 */
    begin(cutting);
    assert_int_equal(next(cutting)->item, large);
    batcher_drop(cutting->batcher);
    const struct batch *heir = next(cutting);
    assert_int_equal(heir->kind, FRAME_HEADER);
    assert_int_equal(heir->item, 1);
    assert_int_equal(heir->member_count, 1);
    assert_int_equal(heir->members[0].item, 2);
    batcher_drop(cutting->batcher);
    assert_int_equal(next(cutting)->item, 2);
    batcher_drop(cutting->batcher);
    assert_int_equal(next(cutting)->members[0].item, 3);
    assert_null(next(cutting));
}

static void a_list_is_cut_like_a_tree_of_its_own(void **state)
{
    struct cutting *cutting = *state;
    for (int i = 0; i < 6; i++)
        add(cutting, 50);
    const uint32_t list[] = {1, 3, 4};
    cutting->tree.items[4].original = 1;
    assert_int_equal(batcher_new(&cutting->batcher, &cutting->tree, list, 3, NULL), 0);
    const struct batch *batch = next(cutting);
    assert_int_equal(batch->member_count, 3);
    assert_int_equal(batch->members[0].item, 1);
    assert_int_equal(batch->members[1].item, 4);
    assert_true(batch->members[1].duplicate);
    assert_int_equal(batch->members[2].item, 3);
    assert_null(next(cutting));
}

static void an_empty_tree_has_no_batches(void **state)
{
    struct cutting *cutting = *state;
    cut_all(cutting);
    assert_int_equal(cutting->count, 0);
    assert_null(next(cutting));
}

/* The estimate must hold for the longest names too, or a frame would exceed the format's limit. */
static void long_names_count(void **state)
{
    struct cutting *cutting = *state;
    char path[4001];
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    const struct stat stat = {.st_mode = S_IFREG | 0644};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(tree_add(&cutting->tree, 0, path, &stat, NULL), 0);
    cut_all(cutting);
    for (size_t i = 0; i < cutting->count; i++)
        assert_true(cutting->batches[i].member_count * (4000 + 1024) <= FRAME_TARGET_SIZE);
}

#define CUTTING_TEST(test) cmocka_unit_test_setup_teardown(test, cutting_setup, cutting_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CUTTING_TEST(small_files_share_frames_of_about_a_megabyte),
        CUTTING_TEST(duplicates_follow_their_original_at_once),
        CUTTING_TEST(links_beyond_four_megabytes_begin_with_an_original_again),
        CUTTING_TEST(a_file_of_exactly_one_frame_is_not_sliced),
        CUTTING_TEST(slices_cover_a_large_file_without_gap),
        CUTTING_TEST(all_duplicates_of_a_large_file_come_with_its_header),
        CUTTING_TEST(a_dropped_large_file_leaves_its_place_to_its_first_duplicate),
        CUTTING_TEST(a_list_is_cut_like_a_tree_of_its_own),
        CUTTING_TEST(an_empty_tree_has_no_batches),
        CUTTING_TEST(long_names_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
