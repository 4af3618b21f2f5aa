/* Calls that a library inside somebody else's server must not make; using one is a compile error.
 * The build includes it before every .c file of the library (not of the command). */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/* Headers whose declarations use these names come first, so that only our own code is judged. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#undef alloca

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok strncat
#pragma GCC poison chdir fchdir umask setlocale setenv putenv unsetenv clearenv atexit on_exit
#pragma GCC poison signal sigaction fork vfork system popen
#pragma GCC poison printf fprintf puts putchar perror fopen mkstemp mktemp tmpfile tmpnam
#pragma GCC poison alloca localtime gmtime asctime ctime strerror readdir_r

#endif
