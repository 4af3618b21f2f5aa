/* The full calls under an internal name, so that nothing inside the library calls through an
 * exported one: full.c exports them, simple.c builds the simple calls on them. Promises as in
 * b10transfer.h.
 */
#ifndef API_OPERATION_H
#define API_OPERATION_H

#include "b10transfer.h"

OperationStatus operation_load(const b10_config *config, const b10_options *options,
                               b10_report *report, b10_error *error);
OperationStatus operation_save(const b10_config *config, const b10_options *options,
                               b10_report *report, b10_error *error);
OperationStatus operation_clear(const b10_config *config, const b10_options *options,
                                b10_report *report, b10_error *error);
OperationStatus operation_info(const b10_config *config, const b10_options *options,
                               b10_cache_info *info, b10_error *error);
OperationStatus operation_list(const b10_config *config, const b10_options *options,
                               b10_cache_list **list, b10_error *error);
OperationStatus operation_verify(const b10_config *config, const b10_options *options,
                                 const char *archive, b10_verify_report *result, b10_error *error);
OperationStatus operation_explain(const b10_config *config, const b10_options *options,
                                  b10_comparison_list **list, b10_error *error);
OperationStatus operation_transfer_file(const b10_config *config, const b10_options *options,
                                        const char *source, const char *dest, b10_error *error);

#endif
