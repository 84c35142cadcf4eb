#include "net/resolver.h"

#include "net/localhost.h"
#include "net/lookup_queue.h"
#include "net/loop_home.h"
#include "net/start_thread.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include <netdb.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

Result<std::vector<IpAddress>> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    if (auto own = localhost_addresses(host); !own.empty()) return own;
    return fail(ErrorKind::resolve, "cannot resolve " + host + ": " + ::gai_strerror(error));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    const IpAddress ip = SocketAddress(at->ai_addr, at->ai_addrlen).ip();
    if (std::ranges::find(addresses, ip) == addresses.end()) addresses.push_back(ip);
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return fail(ErrorKind::resolve, "cannot resolve " + host + ": it has no address");
  return addresses;
}

/// Names that getaddrinfo would misread or wait for in vain.
bool is_name(const std::string& host) {
  return !host.empty() && host.size() <= 254 && host.find('\0') == std::string::npos;
}

struct Question {
  std::string host;
  std::shared_ptr<LoopHome> home;
  Resolver::Answer answer;  // used on the loop's thread only; empty when cancelled or answered
  std::atomic<bool> cancelled = false;

  void deliver(Result<std::vector<IpAddress>> result) {
    if (cancelled) return;
    cancelled = true;
    const Resolver::Answer callback = std::move(answer);
    callback(std::move(result));
  }
};

void post_answer(const std::shared_ptr<Question>& question, Result<std::vector<IpAddress>> result) {
  question->home->post(
      [question, result = std::move(result)]() mutable { question->deliver(std::move(result)); });
}

/// The process's lookup threads: getaddrinfo blocks for seconds on a name whose servers do not answer, and
/// peers choose names. They are never joined, because getaddrinfo cannot be interrupted; so the pool is never
/// destroyed.
class LookupThreads {
 public:
  static LookupThreads& instance() {
    static LookupThreads* const threads = new LookupThreads;
    return *threads;
  }

  /// False when the queue is full.
  bool ask(const IpAddress& asker, const std::shared_ptr<Question>& question) {
    const std::scoped_lock lock(mutex_);
    if (!queue_.add(asker, question)) {
      queue_.drop_if([](const auto& waiting) { return waiting->cancelled.load(); });
      if (!queue_.add(asker, question)) return false;
    }
    if (idle_ < queue_.waiting() && started_ < limits_.running) {
      started_ += start_thread([this] { work(); });
    }
    has_work_.notify_one();
    return true;
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      const auto taken = queue_.take();
      if (!taken) {
        ++idle_;
        has_work_.wait(lock);
        --idle_;
        continue;
      }
      lock.unlock();
      const Question& question = *taken->question;
      if (!question.cancelled) post_answer(taken->question, look_up(question.host));
      lock.lock();
      queue_.done(taken->asker);
      if (queue_.waiting() > 0) has_work_.notify_one();  // another lookup may start
    }
  }

  std::mutex mutex_;
  std::condition_variable has_work_;
  const LookupLimits limits_;
  LookupQueue<std::shared_ptr<Question>> queue_{limits_};
  std::size_t idle_ = 0;
  std::size_t started_ = 0;
};

class SystemResolution final : public Resolution {
 public:
  explicit SystemResolution(std::shared_ptr<Question> question) : question_(std::move(question)) {}
  ~SystemResolution() override {
    question_->cancelled = true;
    question_->answer = nullptr;
  }

 private:
  std::shared_ptr<Question> question_;
};

class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(EventLoop& loop) : home_(std::make_shared<LoopHome>(loop)) {}
  ~SystemResolver() override { home_->close(); }

  std::unique_ptr<Resolution> resolve(const std::string& host, const IpAddress& asker,
                                      Answer answer) override {
    auto question = std::make_shared<Question>();
    question->host = host;
    question->home = home_;
    question->answer = std::move(answer);
    if (const auto ip = IpAddress::parse(host))
      post_answer(question, std::vector{*ip});
    else if (!is_name(host))
      post_answer(question,
                  fail(ErrorKind::resolve, "cannot resolve a name that is empty, too long or malformed"));
    else if (!LookupThreads::instance().ask(asker, question))
      post_answer(question, fail(ErrorKind::resource,
                                 "cannot resolve " + host + ": too many name resolutions are pending"));
    return std::make_unique<SystemResolution>(std::move(question));
  }

 private:
  std::shared_ptr<LoopHome> home_;
};

}  // namespace

std::unique_ptr<Resolver> make_system_resolver(EventLoop& loop) {
  return std::make_unique<SystemResolver>(loop);
}

}  // namespace sallyport::net
