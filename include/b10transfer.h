/* b10transfer.h: save the compile cache of a model server once, restore it in the next replica.
 *
 * Three layers, top to bottom:
 *
 *   1. Simple calls     six functions without arguments, settings from the environment.
 *   2. Full calls       the same six with a configuration, options, a report and an error record;
 *                       verification; copying of one file; load and save beside other work.
 *   3. Supporting parts configuration, settings table, names of codes, version.
 *
 * Conventions, valid for every function below unless it says otherwise:
 *
 *   - Statuses are OperationStatus; the exact cause is a b10_reason in the b10_error record.
 *   - A pointer parameter is borrowed for the duration of the call. NULL is allowed where a comment
 *     says so.
 *   - Every struct that crosses this boundary begins with `uint32_t struct_size`: set it to
 *     sizeof(the struct) (B10_INIT does so). Structs only ever grow at their end; the library
 *     writes no more than struct_size bytes.
 *   - Sizes are bytes, counts are counts, times are nanoseconds (`_ns`) or seconds since the epoch
 *     (`_time`).
 *   - Strings are NUL-terminated bytes; paths are bytes as the kernel has them, in no encoding.
 *   - Nothing here installs signal handlers, changes the working directory, umask, locale or
 *     environment, prints, forks, or leaves a thread or a descriptor behind. One exception: a call
 *     that ends with TIMEOUT, or is cancelled, while the volume hangs leaves behind the threads that
 *     are inside a system call there (b10_report.threads_left; docs/threading.md).
 *   - Every call that looks at a disk or volume works on a thread of its own while the caller's
 *     waits, so that no volume can hold it longer than the time set.
 *   - Handles (b10_config, b10_cancel_token, b10_operation) belong to the process that made them: in
 *     a forked child they can be freed; everything else is ERROR/FORKED.
 *
 * ISO C99 and C++ clean. See docs/ for the archive format, the errors and the configuration.
 */
#ifndef B10TRANSFER_H
#define B10TRANSFER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define B10_API __attribute__((visibility("default")))
#else
#define B10_API
#endif

/* ------------------------------------------------------------------------------------------------
 * Statuses, reasons, errors
 *
 * --------------------------------------------------------------------------------------------- */

/* What an operation came to. The values are those of the Python package b10-transfer. */
typedef enum OperationStatus {
    B10_SUCCESS = 1,        /* done: everything was installed, published, listed, … */
    B10_ERROR = 2,          /* failed; b10_error has the reason; nothing was half done */
    B10_DOES_NOT_EXIST = 3, /* load only: no archive for this environment */
    B10_SKIPPED = 4,        /* there was nothing to do; b10_error has the reason */
    B10_STATUS_FORCE32 = 0x7fffffff
} OperationStatus;

/* Why. Every status other than SUCCESS comes with exactly one of these. */
typedef enum b10_reason {
    B10_REASON_OK = 0,
    B10_REASON_DISABLED = 1, /* ERROR: BASETEN_FS_ENABLED is off */
    /* ERROR: a setting is invalid; the message names variable and value */
    B10_REASON_CONFIG = 2,
    B10_REASON_LOCAL_PRESENT = 3, /* SKIPPED: the local cache directory already holds files */
    /* DOES_NOT_EXIST: no archive for this environment, or no shared directory */
    B10_REASON_ABSENT = 4,
    B10_REASON_NO_SPACE = 5, /* ERROR: not enough bytes or inodes, or a quota */
    /* ERROR: beyond MAX_CACHE_SIZE_MB (save) or 64 times that, unpacked (load) */
    B10_REASON_TOO_LARGE = 6,
    B10_REASON_CORRUPT = 7,        /* ERROR: the archive is damaged */
    B10_REASON_UNSAFE = 8,         /* ERROR: the archive breaks a rule of the format */
    B10_REASON_FORMAT = 9,         /* ERROR: the archive is of a newer format */
    B10_REASON_READ_ONLY = 10,     /* SKIPPED: save mode `never` */
    B10_REASON_NOTHING_LOCAL = 11, /* SKIPPED: nothing local to save */
    B10_REASON_ALREADY_SAVED = 12, /* SKIPPED: a usable archive exists */
    B10_REASON_IO = 13,            /* ERROR: volume or disk failed */
    B10_REASON_DENIED = 14,        /* ERROR: permissions */
    B10_REASON_NO_MEMORY = 15,     /* ERROR: out of memory */
    B10_REASON_CANCELLED = 16,     /* ERROR: the progress callback or b10_cancel() asked to stop */
    B10_REASON_INTERNAL = 17, /* ERROR: a bug, or an argument that breaks this header's rules */
    /* SKIPPED: no step can tell which GPU this host has, so no save can name its archive */
    B10_REASON_NO_KEY = 18,
    B10_REASON_IN_PROGRESS = 19, /* SKIPPED: another live saver holds this key */
    /* SKIPPED: MAX_CONCURRENT_SAVES savers are active on the volume */
    B10_REASON_BUSY = 20,
    /* SKIPPED: what a merge would add is what the last one added, under other names */
    B10_REASON_CHURN = 21,
    B10_REASON_TIMEOUT = 22, /* ERROR: volume or disk did not answer in time */
    B10_REASON_FORKED = 23,  /* ERROR: the handle was made by this process's parent */
    B10_REASON_FORCE32 = 0x7fffffff
} b10_reason;

/* What went wrong, in words. Owned by the caller, filled by a call that does not return SUCCESS; a
 * call that returns SUCCESS sets code to OK and the message to "". Always passed last, NULL
 * allowed. */
typedef struct b10_error {
    uint32_t struct_size;
    uint32_t code;     /* a b10_reason */
    int32_t sys_errno; /* errno of the system call that failed, 0 if none */
    uint32_t reserved;
    char message[1000]; /* one line, names the object: file, variable, directory */
} b10_error;

/* Zeroed struct with struct_size set: b10_report report = B10_INIT(b10_report); */
#ifdef __cplusplus
#define B10_INIT(type)                                                                             \
    ([] {                                                                                          \
        type b10_value_ = {};                                                                      \
        b10_value_.struct_size = (uint32_t)sizeof(type);                                           \
        return b10_value_;                                                                         \
    }())
#else
#define B10_INIT(type)                                                                             \
    {                                                                                              \
        .struct_size = (uint32_t)sizeof(type)                                                      \
    }
#endif

/* Names for people and logs: "SUCCESS", "LOCAL_PRESENT"; "UNKNOWN" for any other value. Static
 * storage.
 * Threads: any.  Since: 0.1 */
B10_API const char *b10_status_name(OperationStatus status);
B10_API const char *b10_reason_name(uint32_t reason);

/* ------------------------------------------------------------------------------------------------
 * Reports and records
 *
 * --------------------------------------------------------------------------------------------- */

#define B10_KEY_SIZE  208  /* an environment key has at most 200 bytes */
#define B10_PATH_SIZE 4096 /* longest path stored here, with its NUL */

/* What an operation did. All counts are of this call alone. */
typedef struct b10_report {
    uint32_t struct_size;
    uint32_t reason;                    /* same as b10_error.code */
    char environment_key[B10_KEY_SIZE]; /* "" if the call ended before it was known */
    char archive[B10_PATH_SIZE];        /* the archive read or published, "" if none */
    /* main root: where a load installed, what a save packed, what clear emptied */
    char destination[B10_PATH_SIZE];
    uint64_t archive_bytes; /* size of the archive file */
    /* unpacked size of all files, duplicates counted each time */
    uint64_t content_bytes;
    uint64_t files; /* files and symlinks packed or installed */
    uint64_t directories;
    uint64_t duplicates; /* of files: stored once more only as a link member */
    uint64_t existing;   /* load: entries left out because the name existed locally */
    /* save: files that changed or vanished while they were read */
    uint64_t left_out_changed;
    uint64_t left_out_torn; /* save: evidently truncated ELF or JSON files */
    /* save: symlinks that leave their root, names beyond the limits */
    uint64_t left_out_unsafe;
    /* further roots that could not be read or written, or have no place here */
    uint64_t roots_left_out;
    uint64_t archives_set_aside; /* load: damaged archives renamed to .KEY.<token>.bad */
    uint64_t wall_ns;            /* whole call */
    /* load: 1 if there was no archive for the exact key and `archive` is the nearest that may be
     * used here; `difference` then says in what it differs: "cuda: '12.4' there, '12.8' here" */
    uint32_t fallback;
    /* TIMEOUT, CANCELLED: threads that are still inside a system call, see docs/threading.md */
    uint32_t threads_left;
    char difference[512];
    /* save, mode merge: files and symlinks taken over from the archive that was there; what is
     * counted above is only what was added to them */
    uint64_t merged_files;
    /* load: files in which the paths they were saved under were replaced by those here, and files
     * in which that was not possible: what they describe is compiled again */
    uint64_t relocated_files;
    uint64_t unrelocated_files;
    /* names the archive that was loaded or published among all that ever had its name; "" if none */
    char archive_token[33];
    uint8_t reserved[3];
    uint32_t suspect; /* load: archives passed over because servers died of them */
} b10_report;

/* The state of this host's cache. Strings are "" when unknown. */
typedef struct b10_cache_info {
    uint32_t struct_size;
    uint8_t b10fs_enabled; /* 0 or 1: BASETEN_FS_ENABLED */
    /* 0 or 1: an archive for this environment is in B10FS_CACHE_DIR or one of B10_READ_DIRS */
    uint8_t b10fs_cache_exists;
    uint8_t local_cache_exists; /* 0 or 1: the main root holds a file that a save would pack */
    uint8_t reserved;
    char environment_key[B10_KEY_SIZE];
    char local_directory[B10_PATH_SIZE];  /* main root */
    char shared_directory[B10_PATH_SIZE]; /* B10FS_CACHE_DIR */
    /* where the archive of this environment is (in the search path) or would be */
    char archive[B10_PATH_SIZE];
    uint64_t local_cache_bytes; /* of the files that a save would pack from the main root */
    uint64_t local_cache_files;
    uint64_t b10fs_cache_bytes; /* size of the archive file */
    uint64_t b10fs_cache_files; /* in the archive; 0 if there is none or it is not readable */
    /* seconds since the epoch, from the archive's manifest; 0 if unknown */
    int64_t b10fs_created_time;
    /* which step answered for the device: "driver", "nvml", "spawn", "proc"; "cpu" where there is
     * no sign of a GPU, "unknown" where no step can tell, "override" with B10_ENVIRONMENT_KEY */
    char detection[64];
    char facts[4096]; /* every key fact, one `name=value` per line, sorted by name */
    /* one `step=what it said` per line, in the order in which they were tried */
    char detection_steps[2048];
} b10_cache_info;

/* One archive in the shared directory. */
typedef struct b10_cache_entry {
    char filename[256];
    char environment_key[B10_KEY_SIZE];
    uint64_t size_bytes;
    int64_t created_time;           /* seconds since the epoch: the file's modification time */
    uint8_t is_current_environment; /* 0 or 1 */
    uint8_t reserved[7];
} b10_cache_entry;

/* All archives, newest first. One block: free with b10_cache_list_free(). `entry_size` is the
 * stride of `caches`, so that a caller built against an older header walks the array correctly
 * (b10_cache_list_at does it). */
typedef struct b10_cache_list {
    uint32_t struct_size;
    uint32_t entry_size;
    uint8_t b10fs_enabled;
    uint8_t current_cache_exists;
    uint8_t reserved[6];
    char current_environment[B10_KEY_SIZE];
    uint64_t total_caches;
    const b10_cache_entry *caches;
} b10_cache_list;

/* How an archive relates to this environment. */
typedef enum b10_match {
    B10_MATCH_EXACT = 0,    /* a load takes it */
    B10_MATCH_FALLBACK = 1, /* a load takes it where there is no exact one */
    B10_MATCH_OTHER = 2,    /* made for another environment */
    B10_MATCH_UNREADABLE = 3,
    B10_MATCH_FORCE32 = 0x7fffffff
} b10_match;

/* One archive compared with this environment. Lists of differences have one per line, "name: 'a'
 * there, 'b' here" ("only there: …; only here: …" for sets of words), and end with "…" if they are
 * longer than fits. */
typedef struct b10_comparison {
    char filename[256];
    char environment_key[B10_KEY_SIZE];
    uint64_t size_bytes;
    int64_t created_time; /* seconds since the epoch: the file's modification time */
    uint32_t match;       /* a b10_match */
    uint32_t reserved;
    char differences[4096]; /* key facts; of an unreadable archive: why it is */
    /* outside the key, what can leave an archive that matches cold all the same: the path of the
     * Python environment, and variables VLLM_*, TORCHINDUCTOR_*, TRITON_* as they were at the save */
    char recorded[4096];
    char directory[B10_PATH_SIZE]; /* of the search path: B10FS_CACHE_DIR or one of B10_READ_DIRS */
} b10_comparison;

/* All archives of the search path, those that match first; each group in the order of the
 * directories, newest first. One block: free with
 * b10_comparison_list_free(); `entry_size` is the stride (b10_comparison_list_at walks by it). */
typedef struct b10_comparison_list {
    uint32_t struct_size;
    uint32_t entry_size;
    char current_environment[B10_KEY_SIZE];
    uint64_t total;
    const b10_comparison *comparisons;
} b10_comparison_list;

/* What a check came to. */
typedef enum b10_verdict {
    B10_VERDICT_OK = 0,
    B10_VERDICT_WARN = 1, /* loads and saves work, with less than they could have */
    B10_VERDICT_FAIL = 2, /* something will not work; the message says what */
    B10_VERDICT_FORCE32 = 0x7fffffff
} b10_verdict;

/* One thing that was tried or looked at. */
typedef struct b10_check {
    char name[64];    /* "volume.link"; docs/json.md has all of them */
    uint32_t verdict; /* a b10_verdict */
    uint32_t reserved;
    double value;  /* what was measured, -1 if nothing was */
    char unit[16]; /* of value: "ms", "ns", "MiB", "inodes", "names"; "" if nothing was measured */
    char message[928]; /* what it means, for an operator; one line */
} b10_check;

/* Whether this host is fit. One block: free with b10_check_list_free(); `entry_size` is the stride
 * (b10_check_list_at walks by it). */
typedef struct b10_check_list {
    uint32_t struct_size;
    uint32_t entry_size;
    uint32_t verdict;      /* a b10_verdict: the worst of all */
    uint8_t b10fs_enabled; /* 0 or 1: BASETEN_FS_ENABLED */
    uint8_t load_only;     /* 1: the shared directory cannot be written by this user */
    uint8_t reserved[2];
    char shared_directory[B10_PATH_SIZE]; /* B10FS_CACHE_DIR */
    uint64_t total;
    const b10_check *checks;
} b10_check_list;

/* One file that is here and not in the stored cache. */
typedef struct b10_diff_file {
    const char *directory; /* it lies in, the root's name first: "inductor/fxgraph/ab" */
    const char *name;
    uint64_t bytes; /* 0 for a symlink */
} b10_diff_file;

/* What this host has compiled that the stored cache lacks, by directory. One block: free with
 * b10_diff_list_free(); `entry_size` is the stride (b10_diff_list_at walks by it). */
typedef struct b10_diff_list {
    uint32_t struct_size;
    uint32_t entry_size;
    char environment_key[B10_KEY_SIZE];
    char archive[B10_PATH_SIZE]; /* compared with; "": there is none, everything is new */
    uint64_t local_files;        /* files and symlinks that a save would pack */
    uint64_t local_bytes;
    uint64_t new_files; /* of them, not in the archive; also the number of entries here */
    uint64_t new_bytes;
    uint64_t new_directories; /* that hold new files */
    const b10_diff_file *files;
} b10_diff_list;

/* Whether the stored cache helped. */
typedef enum b10_warmth {
    B10_WARMTH_UNKNOWN = 0, /* not compared */
    B10_WARMTH_WARM = 1,    /* nothing was compiled that was not loaded */
    B10_WARMTH_PARTLY = 2,  /* something was */
    B10_WARMTH_COLD = 3,    /* nothing was loaded */
    B10_WARMTH_FORCE32 = 0x7fffffff
} b10_warmth;

/* The parts of b10_serve_flow, in their order; bits. */
typedef enum b10_serve_phase {
    B10_SERVE_LOAD = 1,
    B10_SERVE_WAIT = 2,   /* until the server is ready */
    B10_SERVE_SETTLE = 4, /* until the cache is quiet, and compare it with what is stored */
    B10_SERVE_SAVE = 8,
    B10_SERVE_FORCE32 = 0x7fffffff
} b10_serve_phase;

/* What b10_serve_flow did. */
typedef struct b10_serve_report {
    uint32_t struct_size;
    uint32_t reason;      /* same as b10_error.code */
    uint32_t phases;      /* b10_serve_phase bits: those that were begun */
    uint32_t load_status; /* OperationStatus; 0: not begun */
    uint32_t load_reason;
    uint32_t save_status; /* likewise */
    uint32_t save_reason;
    uint32_t ready;        /* 1: the server was ready */
    uint32_t http_status;  /* of the last answer; 0: none */
    uint32_t quiet;        /* 1: the cache was quiet; 0: it was still being written, or not asked */
    uint32_t warmth;       /* a b10_warmth */
    uint32_t threads_left; /* as in b10_report, of all phases */
    uint64_t tries;        /* questions to the server */
    uint64_t load_ns;
    uint64_t wait_ns;
    uint64_t settle_ns;
    uint64_t save_ns;
    uint64_t wall_ns;     /* whole call */
    uint64_t local_files; /* as in b10_diff_list, before the save */
    uint64_t local_bytes;
    uint64_t new_files;
    uint64_t new_bytes;
    uint64_t new_directories;
    b10_report *load;  /* the caller's, NULL allowed: what the load did, filled if it was begun */
    b10_report *save;  /* the caller's, NULL allowed: what the save did, likewise */
    char verdict[512]; /* "warm: 219 of 219 files from the cache"; "" if not compared */
    char load_message[512]; /* why the load did not end in SUCCESS; cut off if longer */
    char save_message[512];
} b10_serve_report;

/* What b10_prune removes: whatever breaks one of the rules that are not 0. */
typedef struct b10_prune_rules {
    uint32_t struct_size;
    uint32_t dry_run;         /* 1: nothing is removed, the list says what would be */
    uint32_t include_current; /* 1: also the archive of this environment */
    uint32_t reserved;
    uint64_t max_bytes; /* of all archives that stay; the oldest go first */
    uint64_t max_age_s; /* since an archive was published, by this host's clock */
    uint64_t keep;      /* that many of the newest stay */
} b10_prune_rules;

/* What became of an archive. */
typedef enum b10_prune_outcome {
    B10_PRUNE_KEPT = 0,   /* no rule is against it, or it is this environment's */
    B10_PRUNE_CHOSEN = 1, /* dry run: it would be removed */
    B10_PRUNE_REMOVED =
        2,              /* with what had been set aside of its key, and its marks; reason ABSENT: by
                              somebody else meanwhile, and not counted */
    B10_PRUNE_BUSY = 3, /* stays: somebody saves its key, or has replaced it meanwhile */
    B10_PRUNE_FAILED = 4, /* stays: see reason */
    B10_PRUNE_FORCE32 = 0x7fffffff
} b10_prune_outcome;

typedef struct b10_pruned {
    char filename[256];
    char environment_key[B10_KEY_SIZE];
    uint64_t size_bytes;
    int64_t created_time;           /* seconds since the epoch: the file's modification time */
    uint32_t outcome;               /* a b10_prune_outcome */
    uint32_t reason;                /* a b10_reason: why it stays */
    uint8_t is_current_environment; /* 0 or 1 */
    uint8_t reserved[7];
} b10_pruned;

/* All archives of the shared directory, newest first. One block: free with b10_prune_list_free();
 * `entry_size` is the stride (b10_prune_list_at walks by it). */
typedef struct b10_prune_list {
    uint32_t struct_size;
    uint32_t entry_size;
    uint8_t dry_run; /* 0 or 1 */
    uint8_t reserved[7];
    uint64_t removed; /* archives */
    uint64_t removed_bytes;
    uint64_t chosen_bytes; /* of those that a rule is against, removed or not */
    uint64_t total;
    const b10_pruned *archives;
} b10_prune_list;

/* What verification of one archive found. */
typedef struct b10_verify_report {
    uint32_t struct_size;
    uint32_t format; /* format version of the archive */
    char archive[B10_PATH_SIZE];
    char environment_key[B10_KEY_SIZE];
    char creator[64]; /* "b10transfer 0.1.0" */
    int64_t created_time;
    uint64_t archive_bytes;
    uint64_t content_bytes;
    uint64_t frames;
    uint64_t files;
    uint64_t directories;
    uint64_t duplicates;
    /* files found changed when part of them was written: a load leaves them out */
    uint64_t void_files;
    /* files holding code for this CPU class (shared objects, precompiled headers) */
    uint64_t host_code_files;
    char roots[256];  /* names, comma-separated */
    char facts[4096]; /* as in b10_cache_info */
} b10_verify_report;

/* ------------------------------------------------------------------------------------------------
 * 1. Simple calls: settings from the environment, details from b10_last_error()
 *
 * --------------------------------------------------------------------------------------------- */

/* Restores the compile cache of this environment, all or nothing; see b10_load().
 * Threads: any.  Owns: nothing.  Blocks: while it reads the volume.
 * Leaves: the local directory as it was, unless SUCCESS.  Since: 0.1 */
B10_API OperationStatus b10_load_compile_cache(void);

/* Publishes the local compile cache for this environment; see b10_save().
 * Threads: any.  Owns: nothing.  Blocks: while it writes the volume.
 * Leaves: the published archive as it was, unless SUCCESS.
 * Since: 0.1 */
B10_API OperationStatus b10_save_compile_cache(void);

/* Describes local and shared cache; see b10_info(). `info` is filled, its struct_size must be set.
 * Threads: any.  Since: 0.1 */
B10_API OperationStatus b10_get_cache_info(b10_cache_info *info);

/* Lists the archives of the shared directory; see b10_list(). On SUCCESS *list is to be freed with
 * b10_cache_list_free(); otherwise it is NULL.  Threads: any.  Since: 0.1 */
B10_API OperationStatus b10_list_available_caches(b10_cache_list **list);

/* Removes the contents of the local cache directory; see b10_clear().  Threads: any.  Since: 0.1 */
B10_API OperationStatus b10_clear_local_cache(void);

/* Beside a model server that starts: loads, waits until it serves, saves; see b10_serve_flow().
 * Threads: any.  Blocks: until the server is ready, at most B10_TRANSFER_TIMEOUT_S, and saved.
 * Since: 0.1 */
B10_API OperationStatus b10_save_vllm_compile_cache(void);

#ifndef B10_NO_SHORT_NAMES
/* Aliases of the six above, under the names that users of the Python package know. */
B10_API OperationStatus load_compile_cache(void);
B10_API OperationStatus save_compile_cache(void);
B10_API OperationStatus get_cache_info(b10_cache_info *info);
B10_API OperationStatus list_available_caches(b10_cache_list **list);
B10_API OperationStatus clear_local_cache(void);
B10_API OperationStatus save_vllm_compile_cache(void);
#endif

/* The error record of the last simple call of the calling thread. Never NULL; the pointer stays
 * valid for the life of the thread, its content until the thread's next simple call.  Threads: each
 * has its own.  Since: 0.1 */
B10_API const b10_error *b10_last_error(void);

/* Frees a list; NULL is fine.  Since: 0.1 */
B10_API void b10_cache_list_free(b10_cache_list *list);

/* Entry `index` of a list, NULL beyond its end.  Since: 0.1 */
B10_API const b10_cache_entry *b10_cache_list_at(const b10_cache_list *list, size_t index);

/* ------------------------------------------------------------------------------------------------
 * 2. Full calls
 *
 * --------------------------------------------------------------------------------------------- */

typedef struct b10_config b10_config; /* settings; see section 3 */

typedef enum b10_log_level {
    B10_LOG_ERROR = 0,
    B10_LOG_WARN = 1,
    B10_LOG_INFO = 2,
    B10_LOG_DEBUG = 3,
    B10_LOG_FORCE32 = 0x7fffffff
} b10_log_level;

/* One line for the log, without a newline. Called on the thread that made the call, no lock
 * held. */
typedef void (*b10_log_fn)(void *user, b10_log_level level, const char *message);

/* How far an operation is. Totals are 0 while unknown. */
typedef struct b10_progress {
    uint32_t struct_size;
    uint32_t phase_is_final; /* 1 in the last report of a successful operation */
    /* save: "scan", "merge", "compare", "pack", "publish"; load: "unpack", "install"; "copy"; "verify", also
     * of a load that finds damage; "compare" of a diff; the flow: "load" and "save", each followed
     * by its own, "wait", "settle", "compare" */
    const char *phase;
    uint64_t bytes_done; /* unpacked bytes */
    uint64_t bytes_total;
    uint64_t files_done;
    uint64_t files_total;
} b10_progress;

/* Called about every 100 ms on the thread that made the call, no lock held. A non-zero return
 * cancels the operation: it ends with ERROR/CANCELLED and leaves nothing behind. */
typedef int (*b10_progress_fn)(void *user, const b10_progress *progress);

/* What any thread, or a signal handler, stops an operation with. */
typedef struct b10_cancel_token b10_cancel_token;

/* NULL when out of memory. One token may be given to several operations; it must outlive them.
 * Threads: any.  Since: 0.1 */
B10_API b10_cancel_token *b10_cancel_token_new(void);
B10_API void b10_cancel_token_free(b10_cancel_token *token); /* NULL is fine */

/* The operations that were given this token, now or later, end with ERROR/CANCELLED within about
 * 100 ms, or 3 s where the volume hangs, and leave nothing behind. NULL is fine.
 * Threads: any, and in signal handlers.  Since: 0.1 */
B10_API void b10_cancel(b10_cancel_token *token);

/* b10_serve_flow: whether the server is ready, asked every B10_TRANSFER_INTERVAL_S on the thread
 * that made the call, no lock held, in place of B10_TRANSFER_VLLM_URL: 1 ready, 0 not yet, negative:
 * it never will be (the flow ends with ERROR/CANCELLED). */
typedef int (*b10_ready_fn)(void *user);

/* Callbacks and token; NULL members are not used. */
typedef struct b10_options {
    uint32_t struct_size;
    uint32_t reserved;
    b10_log_fn log;
    void *log_user;
    b10_progress_fn progress;
    void *progress_user;
    b10_cancel_token *cancel;
    /* b10_serve_flow only */
    b10_ready_fn ready;
    void *ready_user;
    uint32_t serve_phases; /* b10_serve_phase bits; 0: all */
    uint32_t reserved_2;
} b10_options;

/* Common to the full calls: `config` NULL means settings from the environment only; `options`,
 * `report` and `error` may be NULL. */

/* Restores the compile cache of this environment: reads the archive, verifies every byte, unpacks
 * beside the destination and moves it in.
 *   SUCCESS         everything is installed
 *   SKIPPED         LOCAL_PRESENT: the local directory already holds files (load mode if_empty)
 *   DOES_NOT_EXIST  ABSENT: no archive for this environment
 *   ERROR           DISABLED, CONFIG, NO_SPACE, TOO_LARGE, CORRUPT, UNSAFE, FORMAT, IO, DENIED,
 *                   NO_MEMORY, CANCELLED, TIMEOUT, FORKED
 * Threads: any, also at once.  Owns: nothing.  Blocks: while it reads the volume, at most
 * B10_LOAD_TIMEOUT_SECONDS.
 * Leaves: the local directory as it was, unless SUCCESS; never overwrites a local name.  Since:
 * 0.1 */
B10_API OperationStatus b10_load(const b10_config *config, const b10_options *options,
                                 b10_report *report, b10_error *error);

/* Packs the local cache and publishes it under this environment's key, whole or not at all.
 *   SUCCESS  published and synced
 *   SKIPPED  READ_ONLY, NOTHING_LOCAL, ALREADY_SAVED, IN_PROGRESS, BUSY, CHURN, NO_KEY
 *   ERROR    DISABLED, CONFIG, TOO_LARGE, NO_SPACE, IO, DENIED, NO_MEMORY, CANCELLED, TIMEOUT,
 *            FORKED
 * Threads: any, also at once.  Blocks: while it writes the volume, at most
 * B10_SAVE_TIMEOUT_SECONDS.
 * Leaves: the archive that was there, unless SUCCESS; no partial file.  Since: 0.1 */
B10_API OperationStatus b10_save(const b10_config *config, const b10_options *options,
                                 b10_report *report, b10_error *error);

/* Describes local and shared cache; SUCCESS also when the volume is absent or disabled. ERROR:
 * CONFIG, NO_MEMORY.
 * Threads: any.  Since: 0.1 */
B10_API OperationStatus b10_info(const b10_config *config, const b10_options *options,
                                 b10_cache_info *info, b10_error *error);

/* Lists the archives of the shared directory, newest first; 0 caches and SUCCESS when it is absent
 * or disabled. On SUCCESS *list is the caller's, to be freed with b10_cache_list_free(). ERROR:
 * CONFIG, IO, DENIED, NO_MEMORY.
 * Threads: any.  Since: 0.1 */
B10_API OperationStatus b10_list(const b10_config *config, const b10_options *options,
                                 b10_cache_list **list, b10_error *error);

/* Removes the contents of the main root, which stays as an empty directory; SUCCESS when there is
 * none. Refuses `/`, a temporary directory itself and a home directory (ERROR/CONFIG).
 * Works with the volume disabled.
 * Threads: any.  Leaves: on ERROR/IO, part of the contents may be gone.  Since: 0.1 */
B10_API OperationStatus b10_clear(const b10_config *config, const b10_options *options,
                                  b10_report *report, b10_error *error);

/* Takes out of the local cache what a load of this environment's archive put there and nobody has
 * changed since: files with the path, size and modification time that the archive says. What a
 * server wrote itself stays. For a server that does not start with a loaded cache.
 *   SUCCESS         report->files, content_bytes: what was removed
 *   DOES_NOT_EXIST  ABSENT: no archive
 *   SKIPPED         NOTHING_LOCAL: nothing of it is here
 *   ERROR           DISABLED, CONFIG, IO, DENIED, CORRUPT, NO_MEMORY, CANCELLED, TIMEOUT, FORKED
 * Threads: any, while no server uses the cache.  Blocks: while it reads the volume.
 * Leaves: on ERROR, part of it may be gone.  Since: 0.1 */
B10_API OperationStatus b10_unload(const b10_config *config, const b10_options *options,
                                   b10_report *report, b10_error *error);

/* Says on the volume that this host's server dies of the archive with that token
 * (b10_report.archive_token) and starts without it. Once two boots of hosts have said so, loads pass
 * that archive over, and the next save replaces it. What is said of an archive holds for those that
 * merges have made of it since.
 *   SUCCESS         also when this host has said so before
 *   DOES_NOT_EXIST  ABSENT: it has been replaced meanwhile
 *   ERROR           CONFIG (also: no token), DISABLED, IO, DENIED, NO_SPACE, NO_MEMORY, CANCELLED,
 *                   TIMEOUT, FORKED
 * Threads: any.  Blocks: while it writes the volume.  Since: 0.1 */
B10_API OperationStatus b10_mark_suspect(const b10_config *config, const b10_options *options,
                                         const char *archive_token, b10_error *error);

/* Reads one archive completely and checks every rule of the format, as a load would, without
 * writing anything. `archive`: a path (it contains a '/' or names an existing file), or an
 * environment key looked up in the shared directory. `result` may be NULL.
 *   SUCCESS         intact
 *   DOES_NOT_EXIST  ABSENT: no such file or key
 *   ERROR           CORRUPT, UNSAFE, FORMAT, IO, DENIED, CONFIG, NO_MEMORY, CANCELLED
 * Threads: any.  Since: 0.1 */
B10_API OperationStatus b10_verify(const b10_config *config, const b10_options *options,
                                   const char *archive, b10_verify_report *result,
                                   b10_error *error);

/* Compares every archive of the search path (B10FS_CACHE_DIR, B10_READ_DIRS) with this environment: why a load takes it or does
 * not, and what may leave a loaded one cold. On SUCCESS *list is to be freed with
 * b10_comparison_list_free(); otherwise it is NULL.
 *   SUCCESS  also with no archive, no shared directory, or BASETEN_FS_ENABLED off (0 archives)
 *   ERROR    CONFIG, IO, DENIED, NO_MEMORY
 * Threads: any.  Blocks: while it reads the volume.  Since: 0.1 */
B10_API OperationStatus b10_explain(const b10_config *config, const b10_options *options,
                                    b10_comparison_list **list, b10_error *error);

/* Frees a list; NULL is fine.  Since: 0.1 */
B10_API void b10_comparison_list_free(b10_comparison_list *list);

/* Comparison `index` of a list, NULL beyond its end.  Since: 0.1 */
B10_API const b10_comparison *b10_comparison_list_at(const b10_comparison_list *list, size_t index);

/* Is this host fit for its cache? Tries in the shared directory, with files of its own, every
 * operation that a load or a save needs, measures it, and looks at the local directory, free space,
 * and whether there is a C++ compiler. On SUCCESS *list is to be freed with b10_check_list_free();
 * otherwise it is NULL.
 *   SUCCESS  it could look; (*list)->verdict says what it saw, also with BASETEN_FS_ENABLED off
 *   ERROR    CONFIG, NO_MEMORY, CANCELLED, TIMEOUT, FORKED
 * Threads: any.  Blocks: while the volume answers, at most B10_SAVE_TIMEOUT_SECONDS.
 * Leaves: nothing; no file of it stays.  Since: 0.1 */
B10_API OperationStatus b10_doctor(const b10_config *config, const b10_options *options,
                                   b10_check_list **list, b10_error *error);

/* Frees a list; NULL is fine.  Since: 0.1 */
B10_API void b10_check_list_free(b10_check_list *list);

/* Check `index` of a list, NULL beyond its end.  Since: 0.1 */
B10_API const b10_check *b10_check_list_at(const b10_check_list *list, size_t index);

/* Compares what is here with the stored cache of this environment (the first of the search path):
 * what a save in mode `merge` would add to it. Empty after a warm start: then the cache was
 * effective. On SUCCESS *list is to be freed with b10_diff_list_free(); otherwise it is NULL.
 *   SUCCESS  also without a stored cache: then everything is new
 *   SKIPPED  NOTHING_LOCAL, NO_KEY
 *   ERROR    DISABLED, CONFIG, CORRUPT, UNSAFE, FORMAT, IO, DENIED, NO_MEMORY, CANCELLED, TIMEOUT
 * Threads: any.  Blocks: while it reads disk and volume.  Since: 0.1 */
B10_API OperationStatus b10_diff(const b10_config *config, const b10_options *options,
                                 b10_diff_list **list, b10_error *error);

/* Frees a list; NULL is fine.  Since: 0.1 */
B10_API void b10_diff_list_free(b10_diff_list *list);

/* File `index` of a list, NULL beyond the end.  Since: 0.1 */
B10_API const b10_diff_file *b10_diff_list_at(const b10_diff_list *list, size_t index);

/* Beside a model server that starts at the same moment: loads (mode `merge` unless B10_LOAD_MODE is
 * set), waits until the server is ready, waits until its cache has been quiet for 5 s (at most
 * 120 s), says whether the stored cache helped, and saves (mode `merge` unless B10_SAVE_MODE is
 * set). The kind is `vllm` unless B10_CACHE_KIND is set.
 *
 * Ready is HTTP status 200 from B10_TRANSFER_VLLM_URL, or what options->ready says. A load that
 * fails is told in the report and the log, and the flow goes on: the server compiles then, and
 * what it compiled is saved. Each phase is bounded by itself: load and save as b10_load and b10_save
 * are, the waiting by B10_TRANSFER_TIMEOUT_S.
 *
 * The status is that of the last phase, mostly the save's:
 *   SUCCESS  saved
 *   SKIPPED  as b10_save: ALREADY_SAVED after a warm start, CHURN, …
 *   ERROR    DISABLED, CONFIG: at once; TIMEOUT: the server was not ready in time; DENIED: it is
 *            there but wants a key (HTTP status 401, 403); CANCELLED; else as b10_save
 * Threads: any.  Blocks: as long as the phases take.  Leaves: what b10_load and b10_save leave.
 * Since: 0.1 */
B10_API OperationStatus b10_serve_flow(const b10_config *config, const b10_options *options,
                                       b10_serve_report *report, b10_error *error);

/* Removes archives from the shared directory by rules, the oldest first. A key that somebody saves is
 * left; who is reading an archive reads on. On SUCCESS *list is to be freed with
 * b10_prune_list_free(); otherwise it is NULL.
 *   SUCCESS  also where single archives could not be removed: the list says so
 *   ERROR    CONFIG (also: no rule), DISABLED, IO, DENIED, NO_MEMORY, CANCELLED, TIMEOUT, FORKED
 * Threads: any.  Blocks: while it reads and writes the volume.  Since: 0.1 */
B10_API OperationStatus b10_prune(const b10_config *config, const b10_options *options,
                                  const b10_prune_rules *rules, b10_prune_list **list,
                                  b10_error *error);

/* Frees a list; NULL is fine.  Since: 0.1 */
B10_API void b10_prune_list_free(b10_prune_list *list);

/* Archive `index` of a list, NULL beyond its end.  Since: 0.1 */
B10_API const b10_pruned *b10_prune_list_at(const b10_prune_list *list, size_t index);

/* Copies one regular file, keeping its permission bits and modification time: into a temporary name
 * beside `dest`, then by rename; missing parent directories are created; free space stays above the
 * floor of the file system that is written (MIN_B10FS_SPACE_MB below the shared directory,
 * MIN_LOCAL_SPACE_MB elsewhere).
 *   SUCCESS; ERROR: ABSENT (no source), NO_SPACE, IO, DENIED, CONFIG, CANCELLED
 * Threads: any.  Leaves: `dest` as it was, unless SUCCESS.  Since: 0.1 */
B10_API OperationStatus b10_transfer_file(const b10_config *config, const b10_options *options,
                                          const char *source, const char *dest, b10_error *error);

/* A load or a save that goes on beside the caller's own work. */
typedef struct b10_operation b10_operation;

/* As b10_load and b10_save, but they return once configuration and environment are read. NULL on
 * failure (CONFIG only where a value has no valid form; all else is judged by the operation).
 * Callbacks run on a thread of the operation; what they use must outlive b10_operation_free.
 * Threads: any.  Owns: the operation is the caller's, freed with b10_operation_free().
 * Since: 0.1 */
B10_API b10_operation *b10_load_start(const b10_config *config, const b10_options *options,
                                      b10_error *error);
B10_API b10_operation *b10_save_start(const b10_config *config, const b10_options *options,
                                      b10_error *error);

/* 1 if it has ended, 0 if not, -1 for NULL or in a forked child. `progress` (NULL allowed) gets its
 * latest progress.  Threads: any.  Blocks: no.  Since: 0.1 */
B10_API int b10_operation_poll(b10_operation *operation, b10_progress *progress);

/* Waits for its end; status, report and error as from b10_load or b10_save. May be called again.
 * Threads: any.  Blocks: until the operation ends, which the time-outs bound.  Since: 0.1 */
B10_API OperationStatus b10_operation_wait(b10_operation *operation, b10_report *report,
                                           b10_error *error);

/* Asks it to stop, as b10_cancel().  Threads: any, and in signal handlers.  Since: 0.1 */
B10_API void b10_operation_cancel(b10_operation *operation);

/* Cancels it if it has not ended, waits, frees. NULL is fine. In a forked child: memory only.
 * Since: 0.1 */
B10_API void b10_operation_free(b10_operation *operation);

/* ------------------------------------------------------------------------------------------------
 * 3. Configuration
 *
 * --------------------------------------------------------------------------------------------- */

/* A set of settings. What is not set here comes from the environment, read once at the start of
 * each operation, else from the default. NULL when out of memory.  Threads: one at a time while it
 * is changed; read-only use from any
 * number.  Since: 0.1 */
B10_API b10_config *b10_config_new(void);
B10_API void b10_config_free(b10_config *config); /* NULL is fine */

/* Sets one value. `key` is the variable's name, in any case ("max_cache_size_mb"). NULL value: back
 * to environment
 * and default. ERROR/CONFIG if the key is unknown or the value breaks its rule.  Since: 0.1 */
B10_API OperationStatus b10_config_set(b10_config *config, const char *key, const char *value,
                                       b10_error *error);

/* Writes the value in force (after environment, default and cap) as text into `value` (`size`
 * bytes, always terminated) and, unless NULL, its source into `*source`: "set", "environment" or
 * "default", static storage.
 * ERROR/CONFIG if the key is unknown, the value in force is invalid or does not fit.  Since: 0.1 */
B10_API OperationStatus b10_config_get(const b10_config *config, const char *key, char *value,
                                       size_t size, const char **source, b10_error *error);

/* One row of the table of settings that feeds reading, --help and the documentation. Static
 * storage. */
typedef struct b10_setting {
    uint32_t struct_size;
    uint32_t reserved;
    const char *name;          /* environment variable */
    const char *default_value; /* as text; for computed defaults a description */
    const char *rule;          /* accepted values, caps */
    const char *description;   /* one sentence */
} b10_setting;

/* Row `index` of the table into *setting; 1 if there is one, 0 beyond the end.  Since: 0.1 */
B10_API int b10_setting_at(size_t index, b10_setting *setting);

/* "0.1.0", the version of the library in use.  Since: 0.1 */
B10_API const char *b10_version(void);

#ifdef __cplusplus
}
#endif

#endif /* B10TRANSFER_H */
