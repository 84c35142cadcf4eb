#include "net/lookup_queue.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

IpAddress asker(std::uint8_t number) {
  return IpAddress::v4({192, 0, 2, number});
}

using Queue = LookupQueue<std::string>;

std::string next(Queue& queue) {
  auto taken = queue.take();
  return taken ? taken->question : "-";
}

TEST(LookupQueue, AskersTakeTurns) {
  Queue queue;
  for (const char* question : {"a1", "a2", "a3"}) EXPECT_TRUE(queue.add(asker(1), question));
  EXPECT_TRUE(queue.add(asker(2), "b1"));
  EXPECT_TRUE(queue.add(asker(3), "c1"));
  std::vector<std::string> order;
  while (queue.waiting() > 0) order.push_back(next(queue));
  EXPECT_EQ(order, (std::vector<std::string>{"a1", "b1", "c1", "a2", "a3"}));
  EXPECT_EQ(next(queue), "-");
}

// docs/threat-model.md, "unanswered names".
TEST(LookupQueue, OneAskerWhoseNamesAreNeverAnsweredLeavesMostOfTheThreads) {
  Queue queue({.running = 32, .running_least = 2});
  for (int i = 0; i < 100; ++i) queue.add(asker(1), "silent");
  while (queue.take()) {
  }
  EXPECT_LE(queue.running(), 32u / 3 + 1);
  EXPECT_TRUE(queue.add(asker(2), "at once"));
  EXPECT_EQ(next(queue), "at once");
  // Ten such askers leave an eleventh its share as well.
  for (std::uint8_t number = 2; number < 12; ++number)
    for (int i = 0; i < 100; ++i) queue.add(asker(number), "silent");
  while (queue.running() < 30 && queue.take()) {
  }
  queue.add(asker(99), "late");
  bool found = false;
  while (auto taken = queue.take()) found = found || taken->question == "late";
  EXPECT_TRUE(found);
  EXPECT_EQ(queue.running(), 32u);
}

TEST(LookupQueue, AnAnswerLetsTheNextOfTheSameAskerGo) {
  Queue queue({.running = 2, .running_least = 1});
  for (const char* question : {"1", "2", "3"}) queue.add(asker(1), question);
  EXPECT_EQ(next(queue), "1");
  EXPECT_EQ(next(queue), "-");
  queue.done(asker(1));
  EXPECT_EQ(next(queue), "2");
}

TEST(LookupQueue, WhatWaitsIsBoundedForEachAndForAll) {
  Queue queue({.running = 1, .running_least = 1, .waiting = 5, .waiting_each = 3});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(queue.add(asker(1), "x"));
  EXPECT_FALSE(queue.add(asker(1), "x"));
  EXPECT_TRUE(queue.add(asker(2), "x"));
  EXPECT_TRUE(queue.add(asker(3), "x"));
  EXPECT_FALSE(queue.add(asker(4), "x"));
  EXPECT_TRUE(queue.take());
  EXPECT_TRUE(queue.add(asker(4), "wanted"));
  queue.drop_if([](const std::string& question) { return question == "x"; });
  EXPECT_EQ(queue.waiting(), 1u);
  EXPECT_EQ(queue.askers(), 2u) << "one waits, and one is being answered";
  queue.done(asker(1));
  EXPECT_EQ(next(queue), "wanted");
  EXPECT_TRUE(queue.add(asker(4), "x"));
}

TEST(LookupQueue, ForgetsAskersThatHaveNothingLeft) {
  Queue queue;
  queue.add(asker(1), "x");
  queue.take();
  EXPECT_EQ(queue.askers(), 1u);
  queue.done(asker(1));
  EXPECT_EQ(queue.askers(), 0u);
  EXPECT_EQ(queue.running(), 0u);
}

}  // namespace
}  // namespace sallyport::net
