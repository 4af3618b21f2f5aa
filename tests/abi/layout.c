/* Prints size and place of everything that callers are compiled against; layout.txt is what it must
 * print. */
#include <b10transfer.h>
#include <stdio.h>

#define STRUCT(type) printf("%s size %zu align %zu\n", #type, sizeof(type), _Alignof(type))
#define MEMBER(type, member)                                                                       \
    printf("%s.%s offset %zu size %zu\n", #type, #member, offsetof(type, member),                  \
           sizeof(((type *)0)->member))
#define VALUE(name) printf("%s %ld\n", #name, (long)(name))

static void print_error_and_callbacks(void)
{
    STRUCT(b10_error);
    MEMBER(b10_error, struct_size);
    MEMBER(b10_error, code);
    MEMBER(b10_error, sys_errno);
    MEMBER(b10_error, reserved);
    MEMBER(b10_error, message);
    STRUCT(b10_progress);
    MEMBER(b10_progress, struct_size);
    MEMBER(b10_progress, phase_is_final);
    MEMBER(b10_progress, phase);
    MEMBER(b10_progress, bytes_done);
    MEMBER(b10_progress, bytes_total);
    MEMBER(b10_progress, files_done);
    MEMBER(b10_progress, files_total);
    STRUCT(b10_options);
    MEMBER(b10_options, struct_size);
    MEMBER(b10_options, reserved);
    MEMBER(b10_options, log);
    MEMBER(b10_options, log_user);
    MEMBER(b10_options, progress);
    MEMBER(b10_options, progress_user);
    MEMBER(b10_options, cancel);
    MEMBER(b10_options, ready);
    MEMBER(b10_options, ready_user);
    MEMBER(b10_options, serve_phases);
    MEMBER(b10_options, reserved_2);
    STRUCT(b10_setting);
    MEMBER(b10_setting, struct_size);
    MEMBER(b10_setting, reserved);
    MEMBER(b10_setting, name);
    MEMBER(b10_setting, default_value);
    MEMBER(b10_setting, rule);
    MEMBER(b10_setting, description);
}

static void print_report(void)
{
    STRUCT(b10_report);
    MEMBER(b10_report, struct_size);
    MEMBER(b10_report, reason);
    MEMBER(b10_report, environment_key);
    MEMBER(b10_report, archive);
    MEMBER(b10_report, destination);
    MEMBER(b10_report, archive_bytes);
    MEMBER(b10_report, content_bytes);
    MEMBER(b10_report, files);
    MEMBER(b10_report, directories);
    MEMBER(b10_report, duplicates);
    MEMBER(b10_report, existing);
    MEMBER(b10_report, left_out_changed);
    MEMBER(b10_report, left_out_torn);
    MEMBER(b10_report, left_out_unsafe);
    MEMBER(b10_report, roots_left_out);
    MEMBER(b10_report, archives_set_aside);
    MEMBER(b10_report, wall_ns);
    MEMBER(b10_report, fallback);
    MEMBER(b10_report, threads_left);
    MEMBER(b10_report, difference);
    MEMBER(b10_report, merged_files);
    MEMBER(b10_report, relocated_files);
    MEMBER(b10_report, unrelocated_files);
    MEMBER(b10_report, archive_token);
    MEMBER(b10_report, reserved);
    MEMBER(b10_report, suspect);
}

static void print_info(void)
{
    STRUCT(b10_cache_info);
    MEMBER(b10_cache_info, struct_size);
    MEMBER(b10_cache_info, b10fs_enabled);
    MEMBER(b10_cache_info, b10fs_cache_exists);
    MEMBER(b10_cache_info, local_cache_exists);
    MEMBER(b10_cache_info, reserved);
    MEMBER(b10_cache_info, environment_key);
    MEMBER(b10_cache_info, local_directory);
    MEMBER(b10_cache_info, shared_directory);
    MEMBER(b10_cache_info, archive);
    MEMBER(b10_cache_info, local_cache_bytes);
    MEMBER(b10_cache_info, local_cache_files);
    MEMBER(b10_cache_info, b10fs_cache_bytes);
    MEMBER(b10_cache_info, b10fs_cache_files);
    MEMBER(b10_cache_info, b10fs_created_time);
    MEMBER(b10_cache_info, detection);
    MEMBER(b10_cache_info, facts);
    MEMBER(b10_cache_info, detection_steps);
}

static void print_list(void)
{
    STRUCT(b10_cache_entry);
    MEMBER(b10_cache_entry, filename);
    MEMBER(b10_cache_entry, environment_key);
    MEMBER(b10_cache_entry, size_bytes);
    MEMBER(b10_cache_entry, created_time);
    MEMBER(b10_cache_entry, is_current_environment);
    MEMBER(b10_cache_entry, reserved);
    STRUCT(b10_cache_list);
    MEMBER(b10_cache_list, struct_size);
    MEMBER(b10_cache_list, entry_size);
    MEMBER(b10_cache_list, b10fs_enabled);
    MEMBER(b10_cache_list, current_cache_exists);
    MEMBER(b10_cache_list, reserved);
    MEMBER(b10_cache_list, current_environment);
    MEMBER(b10_cache_list, total_caches);
    MEMBER(b10_cache_list, caches);
}

static void print_checks(void)
{
    STRUCT(b10_check);
    MEMBER(b10_check, name);
    MEMBER(b10_check, verdict);
    MEMBER(b10_check, reserved);
    MEMBER(b10_check, value);
    MEMBER(b10_check, unit);
    MEMBER(b10_check, message);
    STRUCT(b10_check_list);
    MEMBER(b10_check_list, struct_size);
    MEMBER(b10_check_list, entry_size);
    MEMBER(b10_check_list, verdict);
    MEMBER(b10_check_list, b10fs_enabled);
    MEMBER(b10_check_list, load_only);
    MEMBER(b10_check_list, reserved);
    MEMBER(b10_check_list, shared_directory);
    MEMBER(b10_check_list, total);
    MEMBER(b10_check_list, checks);
}

static void print_comparisons(void)
{
    STRUCT(b10_comparison);
    MEMBER(b10_comparison, filename);
    MEMBER(b10_comparison, environment_key);
    MEMBER(b10_comparison, size_bytes);
    MEMBER(b10_comparison, created_time);
    MEMBER(b10_comparison, match);
    MEMBER(b10_comparison, reserved);
    MEMBER(b10_comparison, differences);
    MEMBER(b10_comparison, recorded);
    MEMBER(b10_comparison, directory);
    STRUCT(b10_comparison_list);
    MEMBER(b10_comparison_list, struct_size);
    MEMBER(b10_comparison_list, entry_size);
    MEMBER(b10_comparison_list, current_environment);
    MEMBER(b10_comparison_list, total);
    MEMBER(b10_comparison_list, comparisons);
}

static void print_verify_report(void)
{
    STRUCT(b10_verify_report);
    MEMBER(b10_verify_report, struct_size);
    MEMBER(b10_verify_report, format);
    MEMBER(b10_verify_report, archive);
    MEMBER(b10_verify_report, environment_key);
    MEMBER(b10_verify_report, creator);
    MEMBER(b10_verify_report, created_time);
    MEMBER(b10_verify_report, archive_bytes);
    MEMBER(b10_verify_report, content_bytes);
    MEMBER(b10_verify_report, frames);
    MEMBER(b10_verify_report, files);
    MEMBER(b10_verify_report, directories);
    MEMBER(b10_verify_report, duplicates);
    MEMBER(b10_verify_report, void_files);
    MEMBER(b10_verify_report, host_code_files);
    MEMBER(b10_verify_report, roots);
    MEMBER(b10_verify_report, facts);
}

static void print_diff(void)
{
    STRUCT(b10_diff_file);
    MEMBER(b10_diff_file, directory);
    MEMBER(b10_diff_file, name);
    MEMBER(b10_diff_file, bytes);
    STRUCT(b10_diff_list);
    MEMBER(b10_diff_list, struct_size);
    MEMBER(b10_diff_list, entry_size);
    MEMBER(b10_diff_list, environment_key);
    MEMBER(b10_diff_list, archive);
    MEMBER(b10_diff_list, local_files);
    MEMBER(b10_diff_list, local_bytes);
    MEMBER(b10_diff_list, new_files);
    MEMBER(b10_diff_list, new_bytes);
    MEMBER(b10_diff_list, new_directories);
    MEMBER(b10_diff_list, files);
}

static void print_serve_report(void)
{
    STRUCT(b10_serve_report);
    MEMBER(b10_serve_report, struct_size);
    MEMBER(b10_serve_report, reason);
    MEMBER(b10_serve_report, phases);
    MEMBER(b10_serve_report, load_status);
    MEMBER(b10_serve_report, load_reason);
    MEMBER(b10_serve_report, save_status);
    MEMBER(b10_serve_report, save_reason);
    MEMBER(b10_serve_report, ready);
    MEMBER(b10_serve_report, http_status);
    MEMBER(b10_serve_report, quiet);
    MEMBER(b10_serve_report, warmth);
    MEMBER(b10_serve_report, threads_left);
    MEMBER(b10_serve_report, tries);
    MEMBER(b10_serve_report, load_ns);
    MEMBER(b10_serve_report, wait_ns);
    MEMBER(b10_serve_report, settle_ns);
    MEMBER(b10_serve_report, save_ns);
    MEMBER(b10_serve_report, wall_ns);
    MEMBER(b10_serve_report, local_files);
    MEMBER(b10_serve_report, local_bytes);
    MEMBER(b10_serve_report, new_files);
    MEMBER(b10_serve_report, new_bytes);
    MEMBER(b10_serve_report, new_directories);
    MEMBER(b10_serve_report, load);
    MEMBER(b10_serve_report, save);
    MEMBER(b10_serve_report, verdict);
    MEMBER(b10_serve_report, load_message);
    MEMBER(b10_serve_report, save_message);
}

static void print_values(void)
{
    STRUCT(OperationStatus);
    VALUE(B10_SUCCESS);
    VALUE(B10_ERROR);
    VALUE(B10_DOES_NOT_EXIST);
    VALUE(B10_SKIPPED);
    STRUCT(b10_verdict);
    VALUE(B10_VERDICT_OK);
    VALUE(B10_VERDICT_WARN);
    VALUE(B10_VERDICT_FAIL);
    STRUCT(b10_reason);
    VALUE(B10_REASON_OK);
    VALUE(B10_REASON_DISABLED);
    VALUE(B10_REASON_CONFIG);
    VALUE(B10_REASON_LOCAL_PRESENT);
    VALUE(B10_REASON_ABSENT);
    VALUE(B10_REASON_NO_SPACE);
    VALUE(B10_REASON_TOO_LARGE);
    VALUE(B10_REASON_CORRUPT);
    VALUE(B10_REASON_UNSAFE);
    VALUE(B10_REASON_FORMAT);
    VALUE(B10_REASON_READ_ONLY);
    VALUE(B10_REASON_NOTHING_LOCAL);
    VALUE(B10_REASON_ALREADY_SAVED);
    VALUE(B10_REASON_IO);
    VALUE(B10_REASON_DENIED);
    VALUE(B10_REASON_NO_MEMORY);
    VALUE(B10_REASON_CANCELLED);
    VALUE(B10_REASON_INTERNAL);
    VALUE(B10_REASON_NO_KEY);
    VALUE(B10_REASON_IN_PROGRESS);
    VALUE(B10_REASON_BUSY);
    VALUE(B10_REASON_CHURN);
    VALUE(B10_REASON_TIMEOUT);
    VALUE(B10_REASON_FORKED);
    STRUCT(b10_match);
    VALUE(B10_MATCH_EXACT);
    VALUE(B10_MATCH_FALLBACK);
    VALUE(B10_MATCH_OTHER);
    VALUE(B10_MATCH_UNREADABLE);
    STRUCT(b10_warmth);
    VALUE(B10_WARMTH_UNKNOWN);
    VALUE(B10_WARMTH_WARM);
    VALUE(B10_WARMTH_PARTLY);
    VALUE(B10_WARMTH_COLD);
    STRUCT(b10_serve_phase);
    VALUE(B10_SERVE_LOAD);
    VALUE(B10_SERVE_WAIT);
    VALUE(B10_SERVE_SETTLE);
    VALUE(B10_SERVE_SAVE);
    STRUCT(b10_log_level);
    VALUE(B10_LOG_ERROR);
    VALUE(B10_LOG_WARN);
    VALUE(B10_LOG_INFO);
    VALUE(B10_LOG_DEBUG);
    VALUE(B10_KEY_SIZE);
    VALUE(B10_PATH_SIZE);
}

static void print_prune(void)
{
    STRUCT(b10_prune_rules);
    MEMBER(b10_prune_rules, struct_size);
    MEMBER(b10_prune_rules, dry_run);
    MEMBER(b10_prune_rules, include_current);
    MEMBER(b10_prune_rules, reserved);
    MEMBER(b10_prune_rules, max_bytes);
    MEMBER(b10_prune_rules, max_age_s);
    MEMBER(b10_prune_rules, keep);
    STRUCT(b10_pruned);
    MEMBER(b10_pruned, filename);
    MEMBER(b10_pruned, environment_key);
    MEMBER(b10_pruned, size_bytes);
    MEMBER(b10_pruned, created_time);
    MEMBER(b10_pruned, outcome);
    MEMBER(b10_pruned, reason);
    MEMBER(b10_pruned, is_current_environment);
    MEMBER(b10_pruned, reserved);
    STRUCT(b10_prune_list);
    MEMBER(b10_prune_list, struct_size);
    MEMBER(b10_prune_list, entry_size);
    MEMBER(b10_prune_list, dry_run);
    MEMBER(b10_prune_list, reserved);
    MEMBER(b10_prune_list, removed);
    MEMBER(b10_prune_list, removed_bytes);
    MEMBER(b10_prune_list, chosen_bytes);
    MEMBER(b10_prune_list, total);
    MEMBER(b10_prune_list, archives);
    VALUE(B10_PRUNE_KEPT);
    VALUE(B10_PRUNE_CHOSEN);
    VALUE(B10_PRUNE_REMOVED);
    VALUE(B10_PRUNE_BUSY);
    VALUE(B10_PRUNE_FAILED);
}

int main(void)
{
    print_error_and_callbacks();
    print_report();
    print_info();
    print_list();
    print_comparisons();
    print_checks();
    print_verify_report();
    print_diff();
    print_serve_report();
    print_values();
    print_prune();
    return 0;
}
