// What a program includes to get numbers from inod: <inod/client.h>. All of it is inod::Client, of
// lib/client/client.h.
#pragma once

#include "lib/client/client.h"
