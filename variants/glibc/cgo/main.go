// Cgo is a program that prints through the C library, which also finds an account and a service for it, and a thread for a callback.
package main

/*
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <math.h>

static void *work(void *unused) {
	printf("thread: %.6f\n", cbrt(27.0));
	return unused;
}

static int say(void) {
	pthread_t thread;
	struct passwd *account = getpwuid(65532);
	struct servent *service = getservbyname("https", "tcp");
	if (!account || !service) {
		fprintf(stderr, "account or service not found\n");
		return 1;
	}
	printf("account: %s %s\n", account->pw_name, account->pw_dir);
	printf("service: %d\n", (service->s_port & 0xff) << 8 | (service->s_port >> 8 & 0xff));
	if (pthread_create(&thread, NULL, work, NULL) || pthread_join(thread, NULL))
		return 1;
	return fflush(stdout);
}
*/
// #cgo LDFLAGS: -lm
import "C"

import "os"

func main() {
	if C.say() != 0 {
		os.Exit(1)
	}
}
