package com.dafnck.conformance;

/** Returns what it saw; throws if that is not as documented. */
@FunctionalInterface
interface Step {
  String run(Suite suite) throws Exception;
}
