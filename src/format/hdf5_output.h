/**
 * An HDF5 file driver that writes to a descriptor and never fails in the library's eyes.
 *
 * When a write fails (disk full), HDF5 cannot close the file: it keeps a freed file in its tables
 * and crashes when the process ends. So the driver keeps the first errno to itself and lets HDF5
 * finish; the caller looks at it afterwards and throws the file away.
 */
#ifndef MQ_FORMAT_HDF5_OUTPUT_H
#define MQ_FORMAT_HDF5_OUTPUT_H

#include <hdf5.h>
#include <stdbool.h>

/** Lives as long as the HDF5 file that is open on it. */
struct mq_hdf5_output {
    int fd;     /**< open for reading and writing, of an empty file; borrowed */
    int errnum; /**< 0, or the first failure */
};

/** Make a file access list write through `output` (inside mq_hdf5_enter). False: no memory. */
bool mq_hdf5_output_use(hid_t access, struct mq_hdf5_output *output);

#endif
