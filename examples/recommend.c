/* The library in one page: take a store through the nightly run, then print a user's list.
 *
 *     cc recommend.c $(pkg-config --cflags --libs marquee) -o recommend
 *     ./recommend file:./marquee-data 42
 */
#include <stdio.h>
#include <stdlib.h>

#include <marquee/marquee.h>

static int
report(const struct mq_error *err)
{
    fprintf(stderr, "%s\n%s\n", err->message, err->hint);
    return mq_status_exit_code(err->code);
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "use: %s STORE USER   (Marquee %s)\n", argv[0], mq_version());
        return 2;
    }
    struct mq_error err;
    struct mq_platform *platform = NULL;
    char *list = NULL;
    mq_platform_quiet(1);
    if (mq_platform_open(argv[1], "1", NULL, &platform, &err) != MQ_OK)
        return report(&err);
    enum mq_status status = mq_platform_run(platform, "ACTION", 0, NULL, &err);
    if (status == MQ_OK)
        status = mq_platform_recommend(platform, argv[2], "movie", 10, &list, &err);
    if (status == MQ_OK)
        puts(list);
    free(list);
    mq_platform_close(platform);
    return status == MQ_OK ? 0 : report(&err);
}
