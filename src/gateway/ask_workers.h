// ask_workers(): asks all workers of a process something, each on its own thread, and brings their answers
// together on the asker's: for pages of the admin port, which show what no single worker knows.
#pragma once

#include "gateway/worker_thread.h"
#include "net/event_loop.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::gateway {

inline constexpr Duration patience_with_workers = 5s;

template <class Answer>
using WorkersAnswered = std::function<void(std::optional<std::vector<Answer>>)>;

/// Calls `done` once, on the thread of `loop`, which is the caller's: with an answer of each worker, in their
/// order; or with nothing, when one of them has none in time. `ask` is called by all of them at once, and so
/// must not change what it captured.
template <class Answer>
void ask_workers(net::EventLoop& loop, const std::vector<std::unique_ptr<WorkerThread>>& workers,
                 std::function<Answer(Worker&)> ask, WorkersAnswered<Answer> done) {
  /// Lives until the last worker answered.
  struct Asked {
    Asked(net::Timers& timers, std::size_t count, std::function<Answer(Worker&)> question,
          WorkersAnswered<Answer> receiver)
        : ask(std::move(question)),
          answers(count),
          missing(count),
          done(std::move(receiver)),
          late(timers, [this](Time) { finish({}); }) {}
    void finish(std::optional<std::vector<Answer>> all) {
      late.disarm();
      if (done) std::exchange(done, nullptr)(std::move(all));
    }

    const std::function<Answer(Worker&)> ask;
    std::vector<Answer> answers;
    std::size_t missing;
    WorkersAnswered<Answer> done;
    net::Timer late;
  };
  auto asked = std::make_shared<Asked>(loop.timers(), workers.size(), std::move(ask), std::move(done));
  asked->late.arm(loop.timers().now() + patience_with_workers);
  for (std::size_t i = 0; i < workers.size(); ++i)
    workers[i]->post([&loop, asked, i](Worker& worker) mutable {
      auto answer = std::make_shared<Answer>(asked->ask(worker));
      // Moved, so that it and its timer are destroyed on the loop's thread.
      loop.post([asked = std::move(asked), answer, i] {
        asked->answers[i] = std::move(*answer);
        if (--asked->missing == 0) asked->finish(std::move(asked->answers));
      });
    });
}

}  // namespace sallyport::gateway
