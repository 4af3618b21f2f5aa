/* Writes the seeds of all fuzz targets below a folder: one small legal input per shape that the
 * format has. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/index.h"
#include "archive/manifest_text.h"
#include "archive/seek_table.h"
#include "archive/tar_codec.h"
#include "base/guard.h"
#include "fuzz.h"

static const char *root;

static void save(const char *target, const char *name, const struct bytes *bytes)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", root, target);
    mkdir(path, 0777);
    snprintf(path, sizeof(path), "%s/%s/%s", root, target, name);
    FILE *file = fopen(path, "wb");
    HOLDS(file && fwrite(bytes->data, 1, bytes->size, file) == bytes->size && fclose(file) == 0);
}

static const struct entry entries[] = {
    {.type = ENTRY_DIRECTORY, .path = "inductor/ab", .mtime_s = 1795372566},
    {.type = ENTRY_FILE,
     .path = "inductor/ab/x.py",
     .size = 5,
     .mtime_s = 1795372566,
     .mtime_ns = 336738474},
    {.type = ENTRY_HARDLINK,
     .path = "inductor/ab/y.py",
     .target = "inductor/ab/x.py",
     .mtime_s = -7,
     .mtime_ns = 1},
    {.type = ENTRY_SYMLINK, .path = "inductor/\xc3\xa9", .target = "ab/\xff", .mtime_s = 1},
};
enum { ENTRIES = sizeof(entries) / sizeof(*entries) };

static void add_member(struct bytes *frame, const struct entry *entry)
{
    HOLDS(tar_encode_header(entry, frame, NULL) == B10_REASON_OK);
    HOLDS(bytes_append(frame, "hello", entry->size, NULL) == B10_REASON_OK);
    HOLDS(tar_encode_padding(entry->size, frame, NULL) == B10_REASON_OK);
}

static void make_tar(void)
{
    SCOPED(bytes) struct bytes all = BYTES_EMPTY;
    SCOPED(bytes) struct bytes header = BYTES_EMPTY;
    for (size_t i = 0; i < ENTRIES; i++) {
        SCOPED(bytes) struct bytes one = BYTES_EMPTY;
        char name[32];
        add_member(&one, &entries[i]);
        add_member(&all, &entries[i]);
        snprintf(name, sizeof(name), "member_%zu", i);
        save("tar", name, &one);
    }
    save("tar", "frame", &all);
    struct entry large = entries[1];
    large.size = UINT64_C(1) << 34;
    HOLDS(tar_encode_header(&large, &header, NULL) == B10_REASON_OK);
    save("tar", "header", &header);
}

static void make_seek_table(void)
{
    static const struct seek_row rows[] = {{1000, 4096}, {UINT32_MAX, 1 << 20}, {85, 0}};
    for (size_t count = 0; count <= 3; count += 3) {
        SCOPED(bytes) struct bytes table = BYTES_EMPTY;
        HOLDS(seek_table_encode(rows, count, &table, NULL) == B10_REASON_OK);
        save("seek_table", count == 0 ? "empty" : "three", &table);
    }
}

static void make_index(void)
{
    static const char text[] = "[0,\"ab\",\"directory\",0,1795372566,0,0,0,0]\n"
                               "[0,\"ab/x.py\",\"file\",1,1795372566,336738474,5,0,0]\n"
                               "[0,\"ab/y.py\",\"link\",1,-7,1,0,0,0,\"ab/x.py\"]\n"
                               "[1,{\"bytes\":\"fffe\"},\"symlink\",0,1,0,0,0,1,\"ab/\\u0001\"]\n";
    SCOPED(bytes) struct bytes lines = BYTES_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    SCOPED(index_writer) struct index_writer *writer = NULL;
    HOLDS(bytes_append(&lines, text, sizeof(text) - 1, NULL) == B10_REASON_OK);
    save("index", "text", &lines);
    HOLDS(index_writer_new(&writer, NULL) == B10_REASON_OK);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct index_line line = {.entry = entries[i], .frame = (uint32_t)i};
        HOLDS(index_writer_add(writer, &line, NULL) == B10_REASON_OK);
    }
    HOLDS(index_writer_finish(writer, &payload, NULL) == B10_REASON_OK);
    save("index", "payload", &payload);
}

static void save_manifest(const struct manifest *manifest, const char *name)
{
    char of_payload[64];
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    SCOPED(bytes) struct bytes payload = BYTES_EMPTY;
    HOLDS(manifest_text(manifest, &text, NULL) == B10_REASON_OK);
    HOLDS(manifest_encode(manifest, &payload, NULL) == B10_REASON_OK);
    snprintf(of_payload, sizeof(of_payload), "%s.payload", name);
    save("manifest", name, &text);
    save("manifest", of_payload, &payload);
}

static void make_manifest(void)
{
    static char *origins[] = {(char *)"/tmp/torchinductor_root"};
    static char *directories[] = {(char *)"ab", (char *)"ab/cd", (char *)"\xff"};
    struct manifest_root roots[] = {{.name = (char *)"inductor",
                                     .origins = origins,
                                     .origin_count = 1,
                                     .directories = directories,
                                     .directory_count = 3},
                                    {.name = (char *)"headers"}};
    struct fact facts[] = {{(char *)"arch", (char *)"x86_64"}, {(char *)"os", (char *)"linux"}};
    struct fact recorded[] = {{(char *)"TRITON_DEBUG", (char *)""},
                              {(char *)"VLLM_API_KEY", (char *)"blake2b:0123456789abcdef"}};
    struct manifest_sliced sliced = {
        .path = (char *)"x.gch", .size = (1 << 20) + 5, .mtime_s = 9, .mtime_ns = 8, .root = 1};
    struct frame frames[] = {
        {.kind = FRAME_MEMBERS, .compressed_size = 500, .content_size = 6144, .members = 4},
        {.kind = FRAME_HEADER, .compressed_size = 150, .content_size = 1536, .members = 1},
        {.kind = FRAME_SLICE, .compressed_size = 999, .content_size = 1 << 20},
        {.kind = FRAME_SLICE, .compressed_size = 30, .content_size = 512, .offset = 1 << 20},
        {.kind = FRAME_END, .compressed_size = 25, .content_size = 1024}};
    struct manifest manifest = {.format = ARCHIVE_FORMAT,
                                .kind = (char *)"inductor",
                                .key = (char *)"inductor-cpu-x86_64-avx2-linux-0123456789abcdef",
                                .creator = (char *)"b10transfer 0.1.0",
                                .token = "0123456789abcdef0123456789abcdef",
                                .created_s = 1795372566,
                                .facts = facts,
                                .fact_count = 2,
                                .recorded = recorded,
                                .recorded_count = 2,
                                .is_recorded = true,
                                .roots = roots,
                                .root_count = 2,
                                .sliced = &sliced,
                                .sliced_count = 1,
                                .frames = frames,
                                .frame_count = 5,
                                .totals = {2, 0, 3, 0, (1 << 20) + 9, 1 << 21, 1},
                                .merges = 2,
                                .last_merge = {1, 20, 300},
                                .ancestors = {"00112233445566778899aabbccddeeff",
                                              "ffeeddccbbaa99887766554433221100"},
                                .ancestor_count = 2,
                                .index_size = 88};
    save_manifest(&manifest, "full");
    manifest.frames = frames + 4;
    manifest.frame_count = 1;
    manifest.sliced_count = 0;
    manifest.is_recorded = false;
    manifest.merges = 0;
    manifest.root_count = 1;
    roots[0].directory_count = 0;
    manifest.totals = (struct manifest_totals){0};
    save_manifest(&manifest, "smallest");
}

static void save_text(const char *target, const char *name, const char *text)
{
    SCOPED(bytes) struct bytes bytes = BYTES_EMPTY;
    HOLDS(bytes_append_text(&bytes, text, NULL) == B10_REASON_OK);
    save(target, name, &bytes);
}

static void make_relocate(void)
{
    save_text("relocate", "group",
              "{\"child_paths\": {\"k.ttir\": \"/old/main/A/k.ttir\", "
              "\"k.json\": \"/old/main/in/A/\\u00e9\"}, \"n\": [1, 2.5, null, true]}");
    save_text("relocate", "refused", "{\"child_paths\": {\"k\": \"/old/bad/k\"}}");
    save_text("relocate", "source",
              "{   (None, 0, 'inductor'): ('h', '/old/main/c/x'),\n"
              "    (8, 1, \"i\"): ('/old/stays', \"/old/main/in\", '/old/bad/y')}");
}

int main(int argc, char **argv)
{
    HOLDS(argc == 2);
    root = argv[1];
    mkdir(root, 0777);
    make_tar();
    make_seek_table();
    make_index();
    make_manifest();
    make_relocate();
    return 0;
}
