#include "app/files.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

static char folder[] = "/tmp/mg-files-TEST_MAIN(TEST(begin), TEST(by_inotify), TEST(by_looking), TEST(tells_what_came_between),
          TEST(waits_for_the_end_of_a_burst), TEST(end))
