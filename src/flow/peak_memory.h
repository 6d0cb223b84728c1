/**
 * Peak memory of a stretch of work, from the kernel's own count. Threads: whole process.
 */
#ifndef MQ_FLOW_PEAK_MEMORY_H
#define MQ_FLOW_PEAK_MEMORY_H

#include <stdbool.h>

/**
 * Start counting anew: mq_memory_peak_bytes then gives the peak since. Freed memory is given back
 * to the system first, so that what an earlier step used does not count.
 * @return false where the kernel does not allow it (the peak is then that of the process)
 */
bool mq_peak_memory_reset(void);

#endif
