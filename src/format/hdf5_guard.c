#include "format/hdf5_guard.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static pthread_mutex_t lock;
static pthread_once_t lock_made = PTHREAD_ONCE_INIT;

/* Recursive: a function that gives rows of one file may read them from another. */
static void
make_lock(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

void
mq_hdf5_enter(struct mq_hdf5_guard *guard)
{
    pthread_once(&lock_made, make_lock);
    pthread_mutex_lock(&lock);
    H5open();
    H5PLset_loading_state(0); /* a file must not choose code to load */
    guard->print = NULL;
    guard->print_context = NULL;
    H5Eget_auto2(H5E_DEFAULT, &guard->print, &guard->print_context);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Eclear2(H5E_DEFAULT);
}

void
mq_hdf5_leave(struct mq_hdf5_guard *guard)
{
    H5Eset_auto2(H5E_DEFAULT, guard->print, guard->print_context);
    pthread_mutex_unlock(&lock);
}

static herr_t
take_innermost(unsigned n, const H5E_error2_t *error, void *context)
{
    if (n == 0)
        snprintf(context, 160, "%s", error->desc != NULL ? error->desc : "");
    return 0;
}

enum mq_status
mq_hdf5_fail(struct mq_error *err, enum mq_status code, const char *format, ...)
{
    char reason[160] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, reason);
    H5Eclear2(H5E_DEFAULT);
    char text[MQ_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return mq_fail(err, code, "%s%s%s%s", text, reason[0] != '\0' ? " (HDF5: " : "", reason,
                   reason[0] != '\0' ? ")" : "");
}
