#include "support/forge.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "archive/entry.h"

static const int64_t honest_mtime = 1700000000;

static void ok(enum b10_reason reason)
{
    assert_int_equal(reason, B10_REASON_OK);
}

static void append(struct bytes *out, const void *data, size_t size)
{
    if (size > 0)
        ok(bytes_append(out, data, size, NULL));
}

static char *copy(const char *text)
{
    char *made = strdup(text);
    assert_non_null(made);
    return made;
}

/* array[count] of `size` bytes each, zeroed, after growing by one; returns the new element's
 * index. */
static size_t grow(void *array_pointer, size_t *count, size_t size)
{
    void *array;
    memcpy(&array, array_pointer, sizeof(array));
    array = realloc(array, (*count + 1) * size);
    assert_non_null(array);
    memset((char *)array + *count * size, 0, size);
    memcpy(array_pointer, &array, sizeof(array));
    return (*count)++;
}

static void add_root(struct manifest *manifest, const char *name, const char *origin)
{
    size_t i = grow(&manifest->roots, &manifest->root_count, sizeof(*manifest->roots));
    struct manifest_root *root = &manifest->roots[i];
    root->name = copy(name);
    size_t k = grow(&root->origins, &root->origin_count, sizeof(*root->origins));
    root->origins[k] = copy(origin);
}

static void add_fact(struct manifest *manifest, const char *name, const char *value)
{
    size_t i = grow(&manifest->facts, &manifest->fact_count, sizeof(*manifest->facts));
    manifest->facts[i].name = copy(name);
    manifest->facts[i].value = copy(value);
}

void forge_init(struct forge *forge)
{
    *forge = (struct forge){0};
    struct manifest *manifest = &forge->manifest;
    manifest->format = ARCHIVE_FORMAT;
    manifest->kind = copy("inductor");
    manifest->key = copy("inductor-cpu-x86_64-avx2-linux-0123456789abcdef");
    manifest->creator = copy("forge 1");
    memset(manifest->token, 'a', 32);
    manifest->created_s = honest_mtime;
    add_fact(manifest, "architecture", "x86_64");
    add_fact(manifest, "kind", "inductor");
    add_root(manifest, "inductor", "/tmp/torchinductor_root");
    add_root(manifest, "headers", "/tmp/torchinductor_root/precompiled_headers");
}

void forge_facts(struct forge *forge, const struct fact *facts, size_t count)
{
    struct manifest *manifest = &forge->manifest;
    fact_list_free(manifest->facts, manifest->fact_count);
    manifest->facts = NULL;
    manifest->fact_count = 0;
    for (size_t i = 0; i < count; i++)
        add_fact(manifest, facts[i].name, facts[i].value);
}

void forge_fact(struct forge *forge, const char *name, const char *value)
{
    struct manifest *manifest = &forge->manifest;
    for (size_t i = 0; i < manifest->fact_count; i++) {
        if (strcmp(manifest->facts[i].name, name) == 0) {
            free(manifest->facts[i].value);
            manifest->facts[i].value = copy(value);
            return;
        }
    }
    add_fact(manifest, name, value);
}

void forge_release(struct forge *forge)
{
    manifest_release(&forge->manifest);
    for (size_t i = 0; i < forge->frame_count; i++) {
        bytes_release(&forge->frames[i].content);
        bytes_release(&forge->frames[i].compressed);
    }
    free(forge->frames);
    bytes_release(&forge->index);
    bytes_release(&forge->json);
    bytes_release(&forge->payload);
    bytes_release(&forge->signature);
    free(forge->rows);
    bytes_release(&forge->file);
}

struct forge_frame *forge_frame(struct forge *forge, enum frame_kind kind)
{
    forge->frame_open = false;
    size_t i = grow(&forge->frames, &forge->frame_count, sizeof(*forge->frames));
    forge->frames[i].about.kind = kind;
    return &forge->frames[i];
}

void forge_close_frame(struct forge *forge)
{
    forge->frame_open = false;
}

static struct forge_frame *members_frame(struct forge *forge)
{
    if (forge->frame_open)
        return &forge->frames[forge->frame_count - 1];
    struct forge_frame *frame = forge_frame(forge, FRAME_MEMBERS);
    forge->frame_open = true;
    return frame;
}

static uint32_t root_of(const struct forge *forge, const char *path)
{
    size_t length = strcspn(path, "/");
    for (uint32_t i = 0; i < forge->manifest.root_count; i++)
        if (strlen(forge->manifest.roots[i].name) == length &&
            strncmp(forge->manifest.roots[i].name, path, length) == 0)
            return i;
    return 0;
}

static void json_string(struct bytes *out, const char *text)
{
    ok(bytes_append_text(out, "\"", NULL));
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 32)
            ok(bytes_format(out, NULL, "\\u%04x", (unsigned)(unsigned char)*c));
        else
            append(out, c, 1);
    ok(bytes_append_text(out, "\"", NULL));
}

static void index_line(struct forge *forge, const struct forge_tar *tar, size_t frame, bool is_void)
{
    char type = tar->type == 0 ? '0' : tar->type;
    const char *types[] = {"file", "link", "symlink", "file", "file", "directory"};
    const char *word = type >= '0' && type <= '5' ? types[type - '0'] : "file";
    bool has_target = type == '1' || type == '2';
    ok(bytes_format(&forge->index, NULL, "[%u,", root_of(forge, tar->name)));
    json_string(&forge->index, entry_inner_path(tar->name));
    ok(bytes_format(&forge->index, NULL, ",\"%s\",%d,%" PRId64 ",0,%" PRIu64 ",%zu,%d", word,
                    (type == '0' || type == '1') && (tar->mode & 0100) != 0, tar->mtime,
                    type == '0' ? tar->size : 0, frame, is_void));
    if (has_target) {
        ok(bytes_append_text(&forge->index, ",", NULL));
        json_string(&forge->index, type == '1' ? entry_inner_path(tar->link) : tar->link);
    }
    ok(bytes_append_text(&forge->index, "]\n", NULL));
}

static uint64_t on_disk(uint64_t size)
{
    return size == 0 ? 4096 : (size + 4095) / 4096 * 4096;
}

static void count(struct forge *forge, char type, uint64_t size)
{
    struct manifest_totals *totals = &forge->manifest.totals;
    if (type == '5') {
        totals->directories++;
        totals->disk_bytes += 4096;
        return;
    }
    if (type == '2') {
        totals->symlinks++;
        return;
    }
    totals->files++;
    totals->duplicates += type == '1';
    totals->bytes += size;
    totals->disk_bytes += on_disk(size);
}

void forge_add(struct forge *forge, const struct forge_tar *tar, const void *content)
{
    char type = tar->type == 0 ? '0' : tar->type;
    struct forge_frame *frame = members_frame(forge);
    frame->about.members++;
    forge_tar_header(&frame->content, tar);
    if (content != NULL)
        forge_tar_content(&frame->content, content, tar->size);
    count(forge, type, tar->size);
    index_line(forge, tar, forge->frame_count - 1, false);
}

void forge_announce_directory(struct forge *forge, const char *path)
{
    struct manifest_root *root = &forge->manifest.roots[root_of(forge, path)];
    size_t i = grow(&root->directories, &root->directory_count, sizeof(*root->directories));
    root->directories[i] = copy(entry_inner_path(path));
}

void forge_directory(struct forge *forge, const char *path)
{
    forge_announce_directory(forge, path);
    struct forge_tar tar = {.name = path, .type = '5', .mtime = honest_mtime};
    forge_add(forge, &tar, NULL);
}

void forge_file(struct forge *forge, const char *path, const char *text)
{
    struct forge_tar tar = {.name = path, .mtime = honest_mtime, .size = strlen(text)};
    forge_add(forge, &tar, text);
}

void forge_link(struct forge *forge, const char *path, const char *original, uint64_t size)
{
    struct forge_tar tar = {
        .name = path, .type = '1', .link = original, .mtime = honest_mtime, .size = size};
    forge_add(forge, &tar, NULL);
}

void forge_symlink(struct forge *forge, const char *path, const char *target)
{
    struct forge_tar tar = {
        .name = path, .type = '2', .link = target, .mode = 0777, .mtime = honest_mtime};
    forge_add(forge, &tar, NULL);
}

void forge_raw(struct forge *forge, const void *data, size_t size, uint32_t members)
{
    struct forge_frame *frame = members_frame(forge);
    append(&frame->content, data, size);
    frame->about.members += members;
}

static void add_slices(struct forge *forge, uint32_t sliced, const unsigned char *content,
                       uint64_t size, uint64_t slice)
{
    for (uint64_t offset = 0; offset < size; offset += slice) {
        uint64_t length = size - offset < slice ? size - offset : slice;
        struct forge_frame *frame = forge_frame(forge, FRAME_SLICE);
        frame->about.sliced = sliced;
        frame->about.offset = offset;
        append(&frame->content, content + offset, (size_t)length);
        if (offset + length == size)
            ok(bytes_append_zeros(&frame->content, (size_t)(entry_padded(size) - size), NULL));
    }
}

uint32_t forge_sliced(struct forge *forge, const char *path, const void *content, uint64_t size,
                      uint64_t slice, bool is_void)
{
    struct manifest *manifest = &forge->manifest;
    uint32_t sliced =
        (uint32_t)grow(&manifest->sliced, &manifest->sliced_count, sizeof(*manifest->sliced));
    manifest->sliced[sliced] = (struct manifest_sliced){
        .path = copy(entry_inner_path(path)),
        .size = size,
        .mtime_s = honest_mtime,
        .root = root_of(forge, path),
        .is_void = is_void,
    };
    struct forge_tar tar = {.name = path, .mtime = honest_mtime, .size = size};
    struct forge_frame *header = forge_frame(forge, FRAME_HEADER);
    header->about.sliced = sliced;
    header->about.members = 1;
    forge_tar_header(&header->content, &tar);
    index_line(forge, &tar, forge->frame_count - 1, is_void);
    if (!is_void)
        count(forge, '0', size);
    add_slices(forge, sliced, content, size, slice);
    return sliced;
}

static void compress(struct bytes *out, const void *data, size_t size)
{
    bytes_clear(out);
    size_t bound = ZSTD_compressBound(size);
    ok(bytes_reserve(out, bound, NULL));
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t made = ZSTD_compress2(context, out->data, bound, data, size);
    assert_false(ZSTD_isError(made));
    ZSTD_freeCCtx(context);
    out->size = made;
}

/* What is true of a frame, into its description. */
static void describe(struct forge_frame *frame)
{
    frame->about.compressed_size = (uint32_t)frame->compressed.size;
    frame->about.content_size = (uint32_t)frame->content.size;
    digest_256(frame->about.digest, frame->compressed.data, frame->compressed.size);
}

void forge_recompress(struct forge *forge, size_t index)
{
    struct forge_frame *frame = &forge->frames[index];
    compress(&frame->compressed, frame->content.data, frame->content.size);
    describe(frame);
    forge->manifest.frames[index] = frame->about;
}

void forge_seal(struct forge *forge)
{
    if (forge->sealed)
        return;
    forge->sealed = true;
    if (forge->frame_count == 0 || forge->frames[forge->frame_count - 1].about.kind != FRAME_END)
        ok(bytes_append_zeros(&forge_frame(forge, FRAME_END)->content, ARCHIVE_END_SIZE, NULL));
    struct manifest *manifest = &forge->manifest;
    manifest->frames = calloc(forge->frame_count, sizeof(*manifest->frames));
    assert_non_null(manifest->frames);
    manifest->frame_count = forge->frame_count;
    for (size_t i = 0; i < forge->frame_count; i++) {
        struct forge_frame *frame = &forge->frames[i];
        if (frame->compressed.size == 0)
            compress(&frame->compressed, frame->content.data, frame->content.size);
        describe(frame);
        manifest->frames[i] = frame->about;
    }
}

static void skippable(struct bytes *out, uint32_t magic, const struct bytes *payload)
{
    unsigned char header[SKIPPABLE_HEADER_SIZE];
    skippable_header(header, magic, (uint32_t)payload->size);
    append(out, header, sizeof(header));
    append(out, payload->data, payload->size);
}

static void pack_json(struct bytes *payload, const struct bytes *json)
{
    struct bytes compressed = BYTES_EMPTY;
    compress(&compressed, json->data, json->size);
    unsigned char digest[DIGEST_SIZE];
    digest_256(digest, compressed.data, compressed.size);
    bytes_clear(payload);
    append(payload, digest, sizeof(digest));
    append(payload, compressed.data, compressed.size);
    bytes_release(&compressed);
}

static void make_payload(struct forge *forge)
{
    if (forge->payload.size > 0)
        return;
    if (forge->json.size > 0)
        pack_json(&forge->payload, &forge->json);
    else
        ok(manifest_encode(&forge->manifest, &forge->payload, NULL));
}

static void add_row(struct forge *forge, size_t compressed, size_t content)
{
    size_t i = grow(&forge->rows, &forge->row_count, sizeof(*forge->rows));
    forge->rows[i] = (struct seek_row){(uint32_t)compressed, (uint32_t)content};
}

static void make_rows(struct forge *forge, size_t index_size)
{
    if (forge->rows != NULL)
        return;
    for (size_t i = 0; i < forge->frame_count; i++)
        add_row(forge, forge->frames[i].compressed.size, forge->frames[i].content.size);
    add_row(forge, SKIPPABLE_HEADER_SIZE + index_size, 0);
    add_row(forge, SKIPPABLE_HEADER_SIZE + forge->payload.size, 0);
    if (forge->signature.size > 0)
        add_row(forge, SKIPPABLE_HEADER_SIZE + forge->signature.size, 0);
}

void forge_assemble(struct forge *forge)
{
    forge_seal(forge);
    struct bytes index = BYTES_EMPTY;
    compress(&index, forge->index.data, forge->index.size);
    if (forge->manifest.index_size == 0) {
        forge->manifest.index_size = index.size;
        digest_256(forge->manifest.index_digest, index.data, index.size);
    }
    make_payload(forge);
    bytes_clear(&forge->file);
    for (size_t i = 0; i < forge->frame_count; i++)
        append(&forge->file, forge->frames[i].compressed.data, forge->frames[i].compressed.size);
    forge->index_offset = forge->file.size;
    skippable(&forge->file, SKIPPABLE_INDEX, &index);
    forge->manifest_offset = forge->file.size;
    skippable(&forge->file, SKIPPABLE_MANIFEST, &forge->payload);
    if (forge->signature.size > 0)
        skippable(&forge->file, SKIPPABLE_SIGNATURE, &forge->signature);
    make_rows(forge, index.size);
    forge->table_offset = forge->file.size;
    ok(seek_table_encode(forge->rows, forge->row_count, &forge->file, NULL));
    bytes_release(&index);
}

void forge_save(struct forge *forge, const char *path)
{
    if (forge->file.size == 0)
        forge_assemble(forge);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, forge->file.data, forge->file.size), forge->file.size);
    assert_int_equal(close(fd), 0);
}

/* The text that manifest.c makes, by decompressing it again. */
static void read_json(struct forge *forge)
{
    if (forge->json.size > 0)
        return;
    /* Through assemble, so that the index is known. */
    forge_assemble(forge);
    const struct bytes *payload = &forge->payload;
    unsigned long long size =
        ZSTD_getFrameContentSize(payload->data + DIGEST_SIZE, payload->size - DIGEST_SIZE);
    size_t room = size < (64U << 20) ? (size_t)size : 1U << 20;
    ok(bytes_reserve(&forge->json, room + 1, NULL));
    size_t made = ZSTD_decompress(forge->json.data, room, payload->data + DIGEST_SIZE,
                                  payload->size - DIGEST_SIZE);
    assert_false(ZSTD_isError(made));
    forge->json.size = made;
}

/* Everything that depends on the manifest's text is made anew by the next assemble. */
static void forget_assembly(struct forge *forge)
{
    bytes_clear(&forge->payload);
    bytes_clear(&forge->file);
    free(forge->rows);
    forge->rows = NULL;
    forge->row_count = 0;
}

void forge_json(struct forge *forge, const char *from, const char *to)
{
    read_json(forge);
    ok(bytes_terminate(&forge->json, NULL));
    char *place = strstr((char *)forge->json.data, from);
    if (place == NULL)
        fail_msg("no '%s' in the manifest %s", from, (char *)forge->json.data);
    struct bytes made = BYTES_EMPTY;
    append(&made, forge->json.data, (size_t)(place - (char *)forge->json.data));
    append(&made, to, strlen(to));
    append(&made, place + strlen(from), strlen(place + strlen(from)));
    bytes_release(&forge->json);
    forge->json = made;
    forget_assembly(forge);
}
