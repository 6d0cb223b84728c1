/**
 * Entering the HDF5 library: one lock for the process, a silent error stack, handles that close
 * themselves. For the files of src/format that speak HDF5; nobody else includes hdf5.h.
 */
#ifndef MQ_FORMAT_HDF5_GUARD_H
#define MQ_FORMAT_HDF5_GUARD_H

#include <hdf5.h>

#include "marquee/status.h"

/** What mq_hdf5_leave puts back. */
struct mq_hdf5_guard {
    H5E_auto2_t print;
    void *print_context;
};

/** Take the lock (a thread that has it may take it again) and silence error printing. */
void mq_hdf5_enter(struct mq_hdf5_guard *guard);
/** Undo mq_hdf5_enter. */
void mq_hdf5_leave(struct mq_hdf5_guard *guard);

/** mq_fail with the library's innermost complaint appended. */
enum mq_status mq_hdf5_fail(struct mq_error *err, enum mq_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** A handle of any kind that is released at the end of its scope; start it with -1 or a result. */
#define mq_hdf5_auto __attribute__((cleanup(mq_hdf5_release))) hid_t

static inline void
mq_hdf5_release(hid_t *id)
{
    if (*id >= 0)
        H5Idec_ref(*id);
}

#endif
