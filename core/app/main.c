/* The program: check that this build is sound, run the command, and for `run` become the master. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/loader.h"
#include "app/master.h"
#include "base/log.h"
#include "http/parse.h"
#include "net/tls.h"

int main(int argc, char **argv)
{
    static struct mg_plan plan;
    int code;

    mg_log_setup("moongate", MG_LOG_INFO);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is like a full disk: write(2) says so */
    if (mg_parse_self_test() != 0) {
        fprintf(stderr, "moongate: this build of llhttp is not the strict one\n");
        return 1;
    }
    if (mg_tls_init() != 0) {
        fprintf(stderr, "moongate: no random bytes to be had\n");
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "run") == 0)
        code = mg_loader_run(argc, argv, &plan);
    else
        code = mg_plan_make(argc, argv, -1, &plan);
    return code == -1 ? mg_master_run(argc, argv, &plan) : code;
}
