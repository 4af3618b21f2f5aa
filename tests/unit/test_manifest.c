#include "archive/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/manifest_check.h"
#include "archive/manifest_decode.h"
#include "archive/manifest_text.h"
#include "archive/zstd_codec.h"
#include "base/guard.h"
#include "support/scratch.h"

/* ---- a small legal manifest: two roots, members, one sliced file of 2.5 MiB, end ---- */

enum { MEMBERS_1, HEADER, SLICE_1, SLICE_2, SLICE_3, MEMBERS_2, END, FRAMES };
static const uint64_t BIG = (5 << 19) + 7;

static char *copy(const char *text)
{
    char *made = strdup(text);
    assert_non_null(made);
    return made;
}

static void *room(size_t count, size_t size)
{
    void *made = calloc(count, size);
    assert_non_null(made);
    return made;
}

static void set_root(struct manifest_root *root, const char *name, const char *origin,
                     const char *const *directories, size_t count)
{
    root->name = copy(name);
    root->origins = room(1, sizeof(char *));
    root->origins[root->origin_count++] = copy(origin);
    root->directories = room(count + 1, sizeof(char *));
    while (root->directory_count < count) {
        root->directories[root->directory_count] = copy(directories[root->directory_count]);
        root->directory_count++;
    }
}

static void set_frames(struct manifest *manifest)
{
    static const struct frame frames[FRAMES] = {
        [MEMBERS_1] = {.kind = FRAME_MEMBERS,
                       .compressed_size = 900,
                       .content_size = 8192,
                       .members = 5},
        [HEADER] = {.kind = FRAME_HEADER,
                    .compressed_size = 200,
                    .content_size = 1536,
                    .members = 1},
        [SLICE_1] = {.kind = FRAME_SLICE, .compressed_size = 1000, .content_size = 1 << 20},
        [SLICE_2] = {.kind = FRAME_SLICE,
                     .compressed_size = 1000,
                     .content_size = 1 << 20,
                     .offset = 1 << 20},
        [SLICE_3] = {.kind = FRAME_SLICE,
                     .compressed_size = 1000,
                     .content_size = (1 << 19) + 512,
                     .offset = 2 << 20},
        [MEMBERS_2] = {.kind = FRAME_MEMBERS,
                       .compressed_size = 100,
                       .content_size = 1536,
                       .members = 1},
        [END] = {.kind = FRAME_END, .compressed_size = 30, .content_size = 1024},
    };
    manifest->frames = room(FRAMES, sizeof(*frames));
    memcpy(manifest->frames, frames, sizeof(frames));
    manifest->frame_count = FRAMES;
    for (size_t i = 0; i < FRAMES; i++)
        memset(manifest->frames[i].digest, (int)(0x10 + i), DIGEST_SIZE);
}

static void legal(struct manifest *manifest)
{
    static const char *const directories[] = {"a", "a/b", "a/b/c", "a-b", "\xff\xfe"};
    *manifest = (struct manifest){.format = ARCHIVE_FORMAT,
                                  .created_s = 1795372566,
                                  .token = "0123456789abcdef0123456789abcdef",
                                  .index_size = 77};
    memset(manifest->index_digest, 0xab, DIGEST_SIZE);
    manifest->kind = copy("inductor");
    manifest->key = copy("inductor-cpu-x86_64-avx512-linux-77ab01de1f3a9c20");
    manifest->creator = copy("b10transfer 0.1.0");
    manifest->facts = room(2, sizeof(*manifest->facts));
    manifest->facts[0] = (struct fact){copy("arch"), copy("x86_64")};
    manifest->facts[1] = (struct fact){copy("tag.model"), copy("")};
    manifest->fact_count = 2;
    manifest->roots = room(2, sizeof(*manifest->roots));
    set_root(&manifest->roots[0], "inductor", "/tmp/torchinductor_root", directories, 5);
    set_root(&manifest->roots[1], "headers", "/tmp/\xff", NULL, 0);
    manifest->root_count = 2;
    manifest->sliced = room(1, sizeof(*manifest->sliced));
    manifest->sliced[0] = (struct manifest_sliced){.path = copy("x.h.gch"),
                                                   .size = BIG,
                                                   .mtime_s = -3,
                                                   .mtime_ns = 999999999,
                                                   .root = 1,
                                                   .executable = true};
    manifest->sliced_count = 1;
    set_frames(manifest);
    manifest->totals = (struct manifest_totals){.files = 2,
                                                .directories = 5,
                                                .duplicates = 1,
                                                .bytes = BIG + 100,
                                                .disk_bytes = BIG + 40000,
                                                .host_code = 1};
}

static void encode(const struct manifest *manifest, struct bytes *payload)
{
    struct b10_error error = ERROR_NONE;
    if (manifest_encode(manifest, payload, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static enum b10_reason decode(struct manifest *back, const struct bytes *payload,
                              struct b10_error *error)
{
    return manifest_decode(back, payload->data, payload->size, "k.v1.tar.zst", error);
}

/* A payload with this text as the manifest. */
static void payload_of(struct bytes *payload, const char *text, size_t size)
{
    SCOPED(zstd_encoder) struct zstd_encoder *encoder = NULL;
    assert_int_equal(zstd_encoder_new(&encoder, 1, NULL), B10_REASON_OK);
    assert_int_equal(bytes_append_zeros(payload, DIGEST_SIZE, NULL), B10_REASON_OK);
    assert_int_equal(zstd_encode(encoder, text, size, payload, NULL), B10_REASON_OK);
    digest_256(payload->data, payload->data + DIGEST_SIZE, payload->size - DIGEST_SIZE);
}

static void assert_text(const char *text, size_t size, enum b10_reason reason, const char *part)
{
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    struct b10_error error = ERROR_NONE;
    payload_of(&payload, text, size);
    enum b10_reason got = decode(&back, &payload, &error);
    if (got != reason || !strstr(error.message, part))
        fail_msg("expected %d '%s', got %d '%s'", reason, part, got, error.message);
    assert_true(got == B10_REASON_OK || !back.frames);
}

static char *legal_text(void)
{
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    struct bytes text = BYTES_EMPTY;
    legal(&manifest);
    assert_int_equal(manifest_text(&manifest, &text, NULL), B10_REASON_OK);
    assert_int_equal(bytes_terminate(&text, NULL), B10_REASON_OK);
    return (char *)text.data;
}

/* The legal text with the first `from` replaced. */
static void assert_replaced(const char *from, const char *to, enum b10_reason reason,
                            const char *part)
{
    SCOPED(heap) char *text = legal_text();
    char *at = strstr(text, from);
    if (!at)
        fail_msg("no '%s' in %s", from, text);
    size_t size = strlen(text) + strlen(to) + 1;
    SCOPED(heap) char *changed = room(1, size);
    int length = snprintf(changed, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    assert_text(changed, (size_t)length, reason, part);
}

/* ---- promise ---- */

static void assert_same_roots(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->root_count, b->root_count);
    for (size_t i = 0; i < a->root_count; i++) {
        const struct manifest_root *left = &a->roots[i], *right = &b->roots[i];
        assert_string_equal(left->name, right->name);
        assert_int_equal(left->origin_count, right->origin_count);
        for (size_t k = 0; k < left->origin_count; k++)
            assert_string_equal(left->origins[k], right->origins[k]);
        assert_int_equal(left->directory_count, right->directory_count);
        for (size_t k = 0; k < left->directory_count; k++)
            assert_string_equal(left->directories[k], right->directories[k]);
    }
}

static void assert_same_frames(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->frame_count, b->frame_count);
    for (size_t i = 0; i < a->frame_count; i++) {
        const struct frame *left = &a->frames[i], *right = &b->frames[i];
        assert_memory_equal(left->digest, right->digest, DIGEST_SIZE);
        assert_int_equal(left->kind, right->kind);
        assert_int_equal(left->compressed_size, right->compressed_size);
        assert_int_equal(left->content_size, right->content_size);
        assert_int_equal(left->members, right->members);
        assert_int_equal(left->sliced, right->sliced);
        assert_true(left->offset == right->offset);
    }
}

static void everything_comes_back(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    legal(&manifest);
    assert_int_equal(bytes_append(&payload, "before", 6, NULL), B10_REASON_OK);
    encode(&manifest, &payload);
    if (manifest_decode(&back, payload.data + 6, payload.size - 6, "a", &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_int_equal(back.format, manifest.format);
    assert_string_equal(back.kind, manifest.kind);
    assert_string_equal(back.key, manifest.key);
    assert_string_equal(back.creator, manifest.creator);
    assert_string_equal(back.token, manifest.token);
    assert_int_equal(back.created_s, manifest.created_s);
    assert_int_equal(back.fact_count, manifest.fact_count);
    for (size_t i = 0; i < back.fact_count; i++) {
        assert_string_equal(back.facts[i].name, manifest.facts[i].name);
        assert_string_equal(back.facts[i].value, manifest.facts[i].value);
    }
    assert_same_roots(&back, &manifest);
    assert_same_frames(&back, &manifest);
    assert_int_equal(back.sliced_count, 1);
    assert_string_equal(back.sliced[0].path, "x.h.gch");
    assert_true(back.sliced[0].size == BIG && back.sliced[0].mtime_s == -3);
    assert_int_equal(back.sliced[0].mtime_ns, 999999999);
    assert_int_equal(back.sliced[0].root, 1);
    assert_true(back.sliced[0].executable && !back.sliced[0].is_void);
    assert_memory_equal(&back.totals, &manifest.totals, sizeof(back.totals));
    assert_int_equal(back.index_size, 77);
    assert_memory_equal(back.index_digest, manifest.index_digest, DIGEST_SIZE);
}

static void equal_manifests_give_equal_bytes(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes a = BYTES_EMPTY;
    SCOPED(bytes) struct bytes b = BYTES_EMPTY;
    for (int i = 0; i < 2; i++) {
        SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
        legal(&manifest);
        encode(&manifest, i == 0 ? &a : &b);
    }
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
}

static void a_root_is_found_by_its_name(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    legal(&manifest);
    assert_int_equal(manifest_find_root(&manifest, "inductor/x", 8), 0);
    assert_int_equal(manifest_find_root(&manifest, "headers", 7), 1);
    assert_int_equal(manifest_find_root(&manifest, "header", 6), -1);
    assert_int_equal(manifest_find_root(&manifest, "inductors", 9), -1);
    assert_int_equal(manifest_find_root(&manifest, "", 0), -1);
}

static void unknown_keys_are_ignored(void **state)
{
    (void)state;
    assert_replaced(",\n\"totals\":{", ",\"merges\":[1,{\"a\":null}],\n\"totals\":{\"new\":true,",
                    B10_REASON_OK, "");
    assert_replaced("\"name\":\"headers\"", "\"name\":\"headers\",\"future\":[]", B10_REASON_OK,
                    "");
}

static void facts_are_sorted_however_they_stand_there(void **state)
{
    (void)state;
    static const char facts[] = "\"facts\":{\"z\":\"1\",\"b\":\"2\",\"a\":\"3\",";
    SCOPED(heap) char *text = legal_text();
    SCOPED(bytes) struct bytes changed = BYTES_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    char *at = strstr(text, "\"facts\":{");
    assert_int_equal(bytes_append(&changed, text, (size_t)(at - text), NULL), B10_REASON_OK);
    assert_int_equal(bytes_append_text(&changed, facts, NULL), B10_REASON_OK);
    assert_int_equal(bytes_append_text(&changed, at + 9, NULL), B10_REASON_OK);
    payload_of(&payload, (const char *)changed.data, changed.size);
    assert_int_equal(decode(&back, &payload, NULL), B10_REASON_OK);
    assert_int_equal(back.fact_count, 5);
    for (size_t i = 1; i < back.fact_count; i++)
        assert_true(strcmp(back.facts[i - 1].name, back.facts[i].name) < 0);
}

/* ---- merges ---- */

static void what_was_merged_comes_back(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    legal(&manifest);
    manifest.merges = 3;
    manifest.last_merge = (struct manifest_merge){.directories = 1, .files = 20, .bytes = 300};
    encode(&manifest, &payload);
    assert_int_equal(decode(&back, &payload, NULL), B10_REASON_OK);
    assert_int_equal(back.merges, 3);
    assert_memory_equal(&back.last_merge, &manifest.last_merge, sizeof(back.last_merge));
}

/* The legal text with `json` before its facts. */
static void decode_with(struct manifest *back, const char *json)
{
    SCOPED(heap) char *text = legal_text();
    SCOPED(bytes) struct bytes changed = BYTES_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    char *at = strstr(text, "\"facts\":{");
    assert_null(strstr(text, "merge")); /* nothing was merged: nothing is said */
    assert_int_equal(bytes_append(&changed, text, (size_t)(at - text), NULL), B10_REASON_OK);
    assert_int_equal(bytes_format(&changed, NULL, "%s,%s", json, at), B10_REASON_OK);
    payload_of(&payload, (const char *)changed.data, changed.size);
    assert_int_equal(decode(back, &payload, NULL), B10_REASON_OK);
}

static void what_is_no_count_of_merges_is_passed_over(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "\"merges\":-1",         "\"merges\":\"2\"",
        "\"merges\":4294967296", "\"merges\":[]",
        "\"last_merge\":{}",     "\"last_merge\":3",
        "\"merges\":1.5",        "\"last_merge\":{\"directories\":1,\"files\":-1,\"bytes\":1}"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        decode_with(&back, odd[i]);
        assert_int_equal(back.merges, 0);
        assert_int_equal(back.last_merge.directories, 0);
    }
}

static void ancestors_come_back_in_order(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest first = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest second = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    legal(&first);
    legal(&second);
    memset(first.token, 'a', sizeof(first.token) - 1);
    memset(second.token, 'b', sizeof(second.token) - 1);
    strcpy(first.ancestors[0], "0123456789abcdef0123456789abcdef");
    first.ancestor_count = 1;
    manifest_descend(&second, &first);
    second.merges = 2;
    encode(&second, &payload);
    assert_int_equal(decode(&back, &payload, NULL), B10_REASON_OK);
    assert_int_equal(back.ancestor_count, 2);
    assert_string_equal(back.ancestors[0], first.ancestors[0]);
    assert_string_equal(back.ancestors[1], first.token);
    assert_true(manifest_descends_from(&back, "0123456789abcdef", 16));
    assert_true(manifest_descends_from(&back, first.token, 32));
    assert_true(manifest_descends_from(&back, second.token, 32));
    assert_false(manifest_descends_from(&back, "0123456789abcdeF", 16));
    assert_false(manifest_descends_from(&first, second.token, 32));
}

static void the_oldest_ancestor_is_forgotten_where_there_are_too_many(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest stored = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    legal(&stored);
    legal(&manifest);
    memset(stored.token, 'f', sizeof(stored.token) - 1);
    for (int i = 0; i < MANIFEST_ANCESTORS_LIMIT; i++)
        snprintf(stored.ancestors[i], sizeof(stored.ancestors[i]), "%032x", i);
    stored.ancestor_count = MANIFEST_ANCESTORS_LIMIT;
    manifest_descend(&manifest, &stored);
    assert_int_equal(manifest.ancestor_count, MANIFEST_ANCESTORS_LIMIT);
    assert_string_equal(manifest.ancestors[0], stored.ancestors[1]);
    assert_string_equal(manifest.ancestors[MANIFEST_ANCESTORS_LIMIT - 1], stored.token);
}

static void what_is_no_list_of_ancestors_is_passed_over(void **state)
{
    (void)state;
    static const char token[] = "\"0123456789abcdef0123456789abcdef\"";
    SCOPED(bytes) struct bytes many = BYTES_EMPTY;
    assert_int_equal(bytes_append_text(&many, "[", NULL), B10_REASON_OK);
    for (int i = 0; i <= MANIFEST_ANCESTORS_LIMIT; i++)
        assert_int_equal(bytes_format(&many, NULL, "%s%s", i > 0 ? "," : "", token), 0);
    assert_int_equal(bytes_append(&many, "]", 2, NULL), B10_REASON_OK);
    const char *const odd[] = {(const char *)many.data,
                               "7",
                               "[]",
                               "{}",
                               token,
                               "[7]",
                               "[\"0123456789abcdef0123456789abcde\"]",
                               "[\"0123456789abcdef0123456789abcdef0\"]",
                               "[\"0123456789abcdef0123456789abcdeF\"]",
                               "[\"0123456789abcdef0123456789abcdef\",null]"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        SCOPED(bytes) struct bytes json = BYTES_EMPTY;
        assert_int_equal(bytes_format(&json, NULL, "\"ancestors\":%s", odd[i]), 0);
        assert_int_equal(bytes_append(&json, "", 1, NULL), B10_REASON_OK);
        decode_with(&back, (const char *)json.data);
        assert_int_equal(back.ancestor_count, 0);
    }
}

static void a_root_is_added_once_and_so_is_its_origin(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(manifest_add_root(&manifest, "inductor", "/tmp/a", NULL), 0);
        assert_int_equal(manifest_add_root(&manifest, "inductor", "/tmp/b", NULL), 0);
        assert_int_equal(manifest_add_root(&manifest, "triton", "/tmp/a", NULL), 0);
    }
    assert_int_equal(manifest.root_count, 2);
    assert_int_equal(manifest.roots[0].origin_count, 2);
    assert_string_equal(manifest.roots[0].origins[1], "/tmp/b");
    assert_int_equal(manifest.roots[1].origin_count, 1);
}

static void more_roots_than_the_format_has_are_too_large(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    char name[16];
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "r%d", i);
        assert_int_equal(manifest_add_root(&manifest, name, "/a", NULL), 0);
    }
    assert_int_equal(manifest_add_root(&manifest, "more", "/a", NULL), B10_REASON_TOO_LARGE);
    assert_int_equal(manifest_add_root(&manifest, "r63", "/b", NULL), 0);
}

/* ---- recorded_environment ---- */

static void record(struct manifest *manifest, const char *name, const char *value)
{
    if (!manifest->recorded)
        manifest->recorded = room(MANIFEST_RECORDED_LIMIT, sizeof(*manifest->recorded));
    manifest->recorded[manifest->recorded_count++] = (struct fact){copy(name), copy(value)};
    manifest->is_recorded = true;
}

/* The legal text with this as its recorded_environment. */
static enum b10_reason decode_recorded(struct manifest *back, const char *json)
{
    SCOPED(heap) char *text = legal_text();
    SCOPED(bytes) struct bytes changed = BYTES_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    char *at = strstr(text, "\"facts\":{");
    assert_int_equal(bytes_append(&changed, text, (size_t)(at - text), NULL), B10_REASON_OK);
    assert_int_equal(bytes_format(&changed, NULL, "\"recorded_environment\":%s,%s", json, at),
                     B10_REASON_OK);
    payload_of(&payload, (const char *)changed.data, changed.size);
    return decode(back, &payload, NULL);
}

static void recorded_variables_come_back(void **state)
{
    (void)state;
    static const char *const values[] = {"", "a \"b\" \\ c", "\xc3\xa9\xe2\x82\xac"};
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    legal(&manifest);
    record(&manifest, "TRITON_A", values[0]);
    record(&manifest, "VLLM_A", values[1]);
    record(&manifest, "VLLM_B", values[2]);
    encode(&manifest, &payload);
    assert_int_equal(decode(&back, &payload, NULL), B10_REASON_OK);
    assert_true(back.is_recorded);
    assert_int_equal(back.recorded_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(back.recorded[i].name, manifest.recorded[i].name);
        assert_string_equal(back.recorded[i].value, values[i]);
    }
}

static void nothing_recorded_is_told_from_an_empty_record(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
        legal(&manifest);
        manifest.is_recorded = i == 1;
        encode(&manifest, &payload);
        assert_int_equal(decode(&back, &payload, NULL), B10_REASON_OK);
        assert_int_equal(back.is_recorded, i == 1);
        assert_int_equal(back.recorded_count, 0);
    }
}

/* It decides nothing, so a record of another shape must not cost the archive. */
static void a_record_that_breaks_its_rules_is_passed_over(void **state)
{
    (void)state;
    static const char *const others[] = {"null", "5", "\"text\"", "[\"VLLM_A\"]"};
    static const char *const members[] = {
        "\"\":\"x\"",
        "\"a b\":\"x\"",
        "\"A-B\":\"x\"",
        "\"A\\u00e9\":\"x\"",
        "\"A\":5",
        "\"A\":null",
        "\"A\":[\"x\"]",
        "\"A\":{\"bytes\":\"ff\"}",
        "\"A\":\"\\u001b[31m\"",
        "\"A\":\"one\\ntwo\"",
        "\"A\":\"\\u0085\"",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        assert_int_equal(decode_recorded(&back, others[i]), B10_REASON_OK);
        assert_false(back.is_recorded);
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        char json[200];
        snprintf(json, sizeof(json), "{\"Z\":\"1\",%s,\"B\":\"2\"}", members[i]);
        assert_int_equal(decode_recorded(&back, json), B10_REASON_OK);
        assert_true(back.is_recorded);
        assert_int_equal(back.recorded_count, 2);
        assert_string_equal(back.recorded[0].name, "B"); /* sorted */
        assert_string_equal(back.recorded[1].name, "Z");
    }
}

static void a_record_keeps_its_limits(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes json = BYTES_EMPTY;
    assert_int_equal(bytes_format(&json, NULL, "{\"%0*d\":\"x\",\"N%0*d\":\"x\",\"%0*d\":\"%0*d\"",
                                  MANIFEST_RECORDED_NAME_LIMIT + 1, 1,
                                  MANIFEST_RECORDED_NAME_LIMIT - 1, 2, 3, 3,
                                  MANIFEST_RECORDED_VALUE_LIMIT + 1, 3),
                     B10_REASON_OK);
    for (int i = 0; i < 2 * MANIFEST_RECORDED_LIMIT; i++)
        assert_int_equal(bytes_format(&json, NULL, ",\"V%d\":\"%0*d\"", i,
                                      i == 0 ? MANIFEST_RECORDED_VALUE_LIMIT : 1, i),
                         B10_REASON_OK);
    assert_int_equal(bytes_append(&json, "}", 2, NULL), B10_REASON_OK);
    assert_int_equal(decode_recorded(&back, (const char *)json.data), B10_REASON_OK);
    assert_int_equal(back.recorded_count, MANIFEST_RECORDED_LIMIT);
    assert_int_equal(strlen(back.recorded[0].name), MANIFEST_RECORDED_NAME_LIMIT);
    assert_string_equal(back.recorded[1].name, "V0");
    assert_int_equal(strlen(back.recorded[1].value), MANIFEST_RECORDED_VALUE_LIMIT);
}

static void a_record_that_is_no_json_is_corrupt(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"A\":\"1\",\"A\":\"2\"}", "{\"A\":\"\\u0000\"}", "{\"A\"}",
                                      "{\"A\":\"\xff\"}", "{},\"recorded_environment\":{}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        assert_int_equal(decode_recorded(&back, bad[i]), B10_REASON_CORRUPT);
    }
}

static void a_void_file_may_have_void_links(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    legal(&manifest);
    manifest.sliced[0].is_void = true;
    manifest.totals = (struct manifest_totals){.directories = 5, .bytes = 0, .disk_bytes = 20480};
    assert_int_equal(manifest_check(&manifest, "a", NULL), B10_REASON_OK);
    manifest.totals.files = 2;
    assert_int_equal(manifest_check(&manifest, "a", NULL), B10_REASON_CORRUPT);
}

static void a_large_manifest_is_small_and_comes_back(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    legal(&manifest);
    manifest.frames = realloc(manifest.frames, (MANY + FRAMES) * sizeof(*manifest.frames));
    assert_non_null(manifest.frames);
    memmove(manifest.frames + MANY, manifest.frames, FRAMES * sizeof(*manifest.frames));
    for (size_t i = 0; i < MANY; i++)
        manifest.frames[i] = (struct frame){.kind = FRAME_MEMBERS,
                                            .content_size = 1 << 20,
                                            .compressed_size = 1000 + (uint32_t)i,
                                            .members = 1};
    manifest.frame_count += MANY;
    manifest.totals.files += MANY;
    manifest.totals.bytes += MANY;
    manifest.totals.disk_bytes += (uint64_t)MANY * 4096;
    encode(&manifest, &payload);
    struct b10_error error = ERROR_NONE;
    if (decode(&back, &payload, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    assert_same_frames(&back, &manifest);
}

/* ---- the future, damage ---- */

static void a_newer_format_is_told_before_anything_else(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    static const char text[] = "{\"format\":2,\"everything\" is different [";
    payload_of(&payload, text, sizeof(text) - 1);
    assert_int_equal(decode(&back, &payload, NULL), B10_REASON_FORMAT);
    assert_int_equal(back.format, 2);
    assert_replaced("{\"format\":1", "{\"format\":2", B10_REASON_FORMAT, "format 2");
}

static void the_format_must_come_first_and_be_a_number(void **state)
{
    (void)state;
    assert_replaced("{\"format\":1", "{\"x\":0,\"format\":1", B10_REASON_CORRUPT, "keys");
    assert_replaced("{\"format\":1", "{\"format\":0", B10_REASON_CORRUPT, "format");
    assert_replaced("{\"format\":1", "{\"format\":\"1\"", B10_REASON_CORRUPT, "format");
    assert_replaced("{\"format\":1,", "{", B10_REASON_CORRUPT, "keys");
}

static void a_flipped_bit_anywhere_is_corrupt(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    legal(&manifest);
    encode(&manifest, &payload);
    for (size_t i = 0; i < payload.size; i++) {
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        payload.data[i] ^= (unsigned char)(1 << i % 8);
        assert_int_equal(decode(&back, &payload, NULL), B10_REASON_CORRUPT);
        payload.data[i] ^= (unsigned char)(1 << i % 8);
    }
}

static void a_payload_cut_anywhere_is_corrupt(void **state)
{
    (void)state;
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    legal(&manifest);
    encode(&manifest, &payload);
    while (payload.size-- > 1) {
        SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
        assert_int_equal(decode(&back, &payload, NULL), B10_REASON_CORRUPT);
    }
}

static void a_text_cut_anywhere_is_corrupt(void **state)
{
    (void)state;
    SCOPED(heap) char *text = legal_text();
    for (size_t size = 0; size + 2 < strlen(text); size += 3)
        assert_text(text, size, B10_REASON_CORRUPT, "k.v1.tar.zst");
    for (const char *more = "{}1,\""; *more; more++) {
        const char behind[] = {']', '}', '\n', *more, '\0'};
        assert_replaced("\"]]}\n", behind, B10_REASON_CORRUPT, "k.v1.tar.zst");
    }
}

static void a_key_given_twice_is_corrupt(void **state)
{
    (void)state;
    assert_replaced(",\n\"created\":", ",\"key\":\"x\",\n\"created\":", B10_REASON_CORRUPT,
                    "twice");
    assert_replaced("\"arch\":", "\"arch\":\"x\",\"arch\":", B10_REASON_CORRUPT, "facts");
    assert_replaced("\"totals\":{", "\"totals\":{\"files\":1,", B10_REASON_CORRUPT, "totals");
}

static void a_missing_key_is_corrupt(void **state)
{
    (void)state;
    static const char *const keys[] = {"creator", "kind",        "key",    "token",
                                       "created", "facts",       "totals", "index",
                                       "roots",   "directories", "sliced", "frames"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        char quoted[32];
        snprintf(quoted, sizeof(quoted), "\n\"%s\":", keys[i]);
        /* directories before any root cannot be read at all */
        assert_replaced(quoted, "\n\"other\":", B10_REASON_CORRUPT,
                        strcmp(keys[i], "roots") == 0 ? "directories" : "missing");
    }
}

static void values_of_the_wrong_type_are_corrupt(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"\"kind\":\"inductor\"", "\"kind\":7"},
        {"\"kind\":\"inductor\"", "\"kind\":\"a b\""},
        {"\"kind\":\"inductor\"", "\"kind\":\"a\\u0000b\""},
        {"\"key\":\"inductor-", "\"key\":\".inductor-"},
        {"\"key\":\"inductor-", "\"key\":\"../inductor-"},
        {"\"creator\":\"", "\"creator\":\"\\n"},
        {"\"token\":\"0", "\"token\":\""},
        {"\"token\":\"0", "\"token\":\"G"},
        {"\"created\":1795372566", "\"created\":-1"},
        {"\"created\":1795372566", "\"created\":1.5"},
        {"\"created\":1795372566", "\"created\":99999999999999999999"},
        {"\"facts\":{", "\"facts\":{\"a\":1,"},
        {"\"facts\":{", "\"facts\":{\"\":\"1\","},
        {"\"facts\":{", "\"facts\":{\"a\":\"1\\n2\","},
        {"\"files\":2", "\"files\":-2"},
        {"\"files\":2", "\"files\":null"},
        {"\"index\":{\"size\":77", "\"index\":{\"size\":0"},
        {"\"index\":{\"size\":77", "\"index\":{\"size\":4294967290"},
        {"\"digest\":\"ab", "\"digest\":\"AB"},
        {"\"digest\":\"ab", "\"digest\":\""},
        {"\"origins\":[\"/", "\"origins\":[\""},
        {"\"origins\":[\"/", "\"origins\":[1,\"/"},
        {"[\"members\",900", "[\"unknown\",900"},
        {"[\"members\",900", "[\"members\",-900"},
        {"[\"members\",900", "[\"members\",4294967296"},
        {"[\"members\",900,8192,5,\"10", "[\"members\",900,8192,5,\"1"},
        {"[\"members\",900", "[900"},
        {"[\"members\",900", "{},[\"members\",900"},
        {"[1,\"x.h.gch\",1", "[1,\"x.h.gch\",2"},
        {"[1,\"x.h.gch\",1", "[2,\"x.h.gch\",1"},
        {"[0,\"a\"]", "[2,\"a\"]"},
        {"[0,\"a\"]", "[0]"},
        {"[0,\"a\"]", "\"a\""},
        {"{\"bytes\":\"fffe\"}", "{\"bytes\":\"ff00\"}"},
        {"{\"bytes\":\"fffe\"}", "{\"bytes\":\"fff\"}"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
        assert_replaced(changes[i][0], changes[i][1], B10_REASON_CORRUPT, "k.v1.tar.zst");
}

/* ---- what does not add up, what leads out ---- */

typedef void (*change_fn)(struct manifest *manifest);

static void assert_changed(change_fn change, enum b10_reason reason)
{
    SCOPED(manifest) struct manifest manifest = MANIFEST_EMPTY;
    SCOPED(manifest) struct manifest back = MANIFEST_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    struct b10_error error = ERROR_NONE;
    legal(&manifest);
    change(&manifest);
    encode(&manifest, &payload);
    enum b10_reason got = decode(&back, &payload, &error);
    if (got != reason)
        fail_msg("expected %d, got %d '%s'", reason, got, error.message);
}

#define CHANGE(name, statement)                                                                    \
    static void name(struct manifest *m)                                                           \
    {                                                                                              \
        statement;                                                                                 \
    }
#define RENAME(field, text) (free(field), (field) = copy(text))

CHANGE(nothing, (void)m)
CHANGE(no_end_frame, m->frame_count--)
CHANGE(end_in_the_middle, m->frames[MEMBERS_1] = m->frames[END])
CHANGE(end_of_another_size, m->frames[END].content_size = 512)
CHANGE(end_with_members, m->frames[END].members = 1)
CHANGE(slice_gap, m->frames[SLICE_2].offset += 512)
CHANGE(slice_overlap, m->frames[SLICE_2].offset -= 512)
CHANGE(slices_swapped, struct frame kept = m->frames[SLICE_1];
       m->frames[SLICE_1] = m->frames[SLICE_2]; m->frames[SLICE_2] = kept)
CHANGE(slice_too_long, m->frames[SLICE_3].content_size += 512)
CHANGE(slice_without_padding, m->frames[SLICE_3].content_size = (1 << 19) + 7)
CHANGE(slice_missing, m->frames[SLICE_3] = m->frames[MEMBERS_2]; m->totals.files++)
CHANGE(slice_without_header, m->frames[HEADER] = m->frames[MEMBERS_2])
CHANGE(slice_of_another, m->frames[SLICE_1].sliced = 1)
CHANGE(slice_with_members, m->frames[SLICE_1].members = 1)
CHANGE(header_twice, m->frames[MEMBERS_1] = m->frames[HEADER]; m->totals.files -= 4)
CHANGE(header_of_no_file, m->frames[HEADER].sliced = 1)
CHANGE(header_of_two, m->frames[HEADER].members = 2; m->totals.files++)
CHANGE(header_not_in_blocks, m->frames[HEADER].content_size = 1500)
CHANGE(header_too_large, m->frames[HEADER].content_size = 64 << 10)
CHANGE(sliced_without_frames, m->frame_count = 1; m->frames[0] = m->frames[END])
CHANGE(sliced_of_no_size, m->sliced[0].size = 0)
CHANGE(members_not_in_blocks, m->frames[MEMBERS_1].content_size = 8000)
CHANGE(members_none, m->frames[MEMBERS_1].members = 0; m->totals.files = 2;
       m->totals.directories = 5)
CHANGE(members_too_many, m->frames[MEMBERS_1].members = 17; m->totals.files += 12)
CHANGE(files_too_many, m->totals.files++)
CHANGE(files_too_few, m->totals.files--)
CHANGE(directories_too_many, m->totals.directories++; m->totals.files--)
CHANGE(duplicates_too_many, m->totals.duplicates = 3)
CHANGE(host_code_too_much, m->totals.host_code = 3)
CHANGE(bytes_too_few, m->totals.bytes = BIG - 1)
CHANGE(bytes_impossible, m->totals.disk_bytes = m->totals.bytes = UINT64_C(1) << 62)
CHANGE(disk_bytes_too_few, m->totals.disk_bytes = m->totals.bytes - 1)
CHANGE(directory_twice, RENAME(m->roots[0].directories[1], "a"))
CHANGE(directory_out_of_order, RENAME(m->roots[0].directories[0], "b"))
CHANGE(directory_without_parent, RENAME(m->roots[0].directories[4], "z/y"))
CHANGE(directory_below_a_sibling, RENAME(m->roots[0].directories[3], "aa/b"))

static void frames_that_do_not_add_up_are_corrupt(void **state)
{
    (void)state;
    static const change_fn changes[] = {
        no_end_frame,     end_in_the_middle,     end_of_another_size,   end_with_members,
        slice_gap,        slice_overlap,         slices_swapped,        slice_too_long,
        slice_missing,    slice_without_padding, slice_without_header,  slice_of_another,
        header_twice,     slice_with_members,    header_of_no_file,     header_of_two,
        header_too_large, header_not_in_blocks,  sliced_without_frames, sliced_of_no_size,
        members_too_many, members_not_in_blocks, members_none,
    };
    assert_changed(nothing, B10_REASON_OK);
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
        assert_changed(changes[i], B10_REASON_CORRUPT);
}

static void totals_that_do_not_add_up_are_corrupt(void **state)
{
    (void)state;
    static const change_fn changes[] = {files_too_many,       files_too_few,
                                        directories_too_many, duplicates_too_many,
                                        host_code_too_much,   bytes_too_few,
                                        bytes_impossible,     disk_bytes_too_few};
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
        assert_changed(changes[i], B10_REASON_CORRUPT);
}

static void directories_without_order_or_parent_are_corrupt(void **state)
{
    (void)state;
    assert_changed(directory_twice, B10_REASON_CORRUPT);
    assert_changed(directory_out_of_order, B10_REASON_CORRUPT);
    assert_changed(directory_without_parent, B10_REASON_CORRUPT);
    assert_changed(directory_below_a_sibling, B10_REASON_CORRUPT);
}

CHANGE(frame_too_large, m->frames[MEMBERS_1].content_size = FRAME_CONTENT_LIMIT + 512)
CHANGE(frame_at_the_limit, m->frames[MEMBERS_1].content_size = FRAME_CONTENT_LIMIT)
CHANGE(frame_empty, m->frames[MEMBERS_1].content_size = 0)
CHANGE(frame_of_no_bytes, m->frames[MEMBERS_1].compressed_size = 0)
CHANGE(frame_larger_than_its_content, m->frames[MEMBERS_1].compressed_size = 100000)
CHANGE(directory_leads_out, RENAME(m->roots[0].directories[4], ".."))
CHANGE(directory_absolute, RENAME(m->roots[0].directories[4], "/etc"))
CHANGE(directory_empty, RENAME(m->roots[0].directories[0], ""))
CHANGE(sliced_leads_out, RENAME(m->sliced[0].path, "../x"))
CHANGE(sliced_in_no_time, m->sliced[0].mtime_ns = 1000000000)
CHANGE(root_leads_out, RENAME(m->roots[1].name, ".."))
CHANGE(root_twice, RENAME(m->roots[1].name, "inductor"))
CHANGE(
    too_many_members, for (int i = 0; i < 2; i++) {
        m->frames[i ? MEMBERS_2 : MEMBERS_1].content_size = FRAME_CONTENT_LIMIT;
        m->frames[i ? MEMBERS_2 : MEMBERS_1].members = 16384;
    } m->totals.files = ARCHIVE_FILES_LIMIT + 1)

static void limits_and_paths_are_unsafe(void **state)
{
    (void)state;
    static const change_fn changes[] = {
        frame_too_large,   frame_empty,         frame_of_no_bytes,  frame_larger_than_its_content,
        directory_empty,   directory_leads_out, directory_absolute, sliced_leads_out,
        sliced_in_no_time, root_leads_out,      root_twice,         too_many_members,
    };
    assert_changed(frame_at_the_limit, B10_REASON_OK);
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
        assert_changed(changes[i], B10_REASON_UNSAFE);
}

static void more_roots_than_the_limit_are_unsafe(void **state)
{
    (void)state;
    SCOPED(bytes) struct bytes roots = BYTES_EMPTY;
    assert_int_equal(bytes_append_text(&roots, "\"roots\":[", NULL), B10_REASON_OK);
    for (int i = 0; i < MANIFEST_ROOTS_LIMIT; i++)
        assert_int_equal(bytes_format(&roots, NULL, "{\"name\":\"r%d\",\"origins\":[]},", i), 0);
    assert_int_equal(bytes_terminate(&roots, NULL), B10_REASON_OK);
    assert_replaced("\"roots\":[", (const char *)roots.data, B10_REASON_UNSAFE, "64 roots");
}

static void nested_text_without_end_is_corrupt_and_cheap(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    SCOPED(heap) char *text = room(1, SIZE);
    memset(text, '[', SIZE);
    memcpy(text, "{\"format\":1,\"x\":", 16);
    assert_text(text, SIZE, B10_REASON_CORRUPT, "unknown key");
    for (size_t i = 16; i + 1 < SIZE; i += 2)
        memcpy(text + i, i == 16 ? " [" : "1,", 2);
    assert_text(text, SIZE, B10_REASON_CORRUPT, "unknown key");
}

static void more_text_than_the_limit_is_unsafe(void **state)
{
    (void)state;
    SCOPED(heap) char *text = room(1, (size_t)MANIFEST_LIMIT + 1);
    memset(text, ' ', (size_t)MANIFEST_LIMIT + 1);
    assert_text(text, (size_t)MANIFEST_LIMIT + 1, B10_REASON_UNSAFE, "limit");
}

static void release_is_harmless_twice(void **state)
{
    (void)state;
    struct manifest manifest;
    legal(&manifest);
    manifest_release(&manifest);
    manifest_release(&manifest);
    assert_null(manifest.frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(equal_manifests_give_equal_bytes),
        cmocka_unit_test(a_root_is_found_by_its_name),
        cmocka_unit_test(unknown_keys_are_ignored),
        cmocka_unit_test(facts_are_sorted_however_they_stand_there),
        cmocka_unit_test(what_was_merged_comes_back),
        cmocka_unit_test(what_is_no_count_of_merges_is_passed_over),
        cmocka_unit_test(ancestors_come_back_in_order),
        cmocka_unit_test(the_oldest_ancestor_is_forgotten_where_there_are_too_many),
        cmocka_unit_test(what_is_no_list_of_ancestors_is_passed_over),
        cmocka_unit_test(a_root_is_added_once_and_so_is_its_origin),
        cmocka_unit_test(more_roots_than_the_format_has_are_too_large),
        cmocka_unit_test(recorded_variables_come_back),
        cmocka_unit_test(nothing_recorded_is_told_from_an_empty_record),
        cmocka_unit_test(a_record_that_breaks_its_rules_is_passed_over),
        cmocka_unit_test(a_record_keeps_its_limits),
        cmocka_unit_test(a_record_that_is_no_json_is_corrupt),
        cmocka_unit_test(a_void_file_may_have_void_links),
        cmocka_unit_test(a_large_manifest_is_small_and_comes_back),
        cmocka_unit_test(a_newer_format_is_told_before_anything_else),
        cmocka_unit_test(the_format_must_come_first_and_be_a_number),
        cmocka_unit_test(a_flipped_bit_anywhere_is_corrupt),
        cmocka_unit_test(a_payload_cut_anywhere_is_corrupt),
        cmocka_unit_test(a_text_cut_anywhere_is_corrupt),
        cmocka_unit_test(a_key_given_twice_is_corrupt),
        cmocka_unit_test(a_missing_key_is_corrupt),
        cmocka_unit_test(values_of_the_wrong_type_are_corrupt),
        cmocka_unit_test(frames_that_do_not_add_up_are_corrupt),
        cmocka_unit_test(totals_that_do_not_add_up_are_corrupt),
        cmocka_unit_test(directories_without_order_or_parent_are_corrupt),
        cmocka_unit_test(limits_and_paths_are_unsafe),
        cmocka_unit_test(more_roots_than_the_limit_are_unsafe),
        cmocka_unit_test(nested_text_without_end_is_corrupt_and_cheap),
        cmocka_unit_test(more_text_than_the_limit_is_unsafe),
        cmocka_unit_test(release_is_harmless_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
