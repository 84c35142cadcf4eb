#include "dial/direct_dialer.h"

#include "dial/attempt.h"
#include "dial/lookup.h"
#include "net/attempt_schedule.h"

#include <algorithm>
#include <utility>

namespace sallyport::dial {
namespace {

/// A peer's addresses: looked up where they are not known, then over QUIC raced here. TCP's are raced below,
/// before anything is secured.
class DirectDialled final : public Dialled, private DialEvents {
 public:
  DirectDialled(Context& context, Peer peer, Security security, DialEvents& events)
      : context_(context),
        peer_(std::move(peer)),
        security_(std::move(security)),
        events_(&events),
        lookup_(context, peer_.host, peer_.port,
                [this](Result<std::vector<net::SocketAddress>> found) { looked_up(std::move(found)); }),
        schedule_(context.timers(), [this](std::size_t number) { start_quic(number); }),
        graveyard_(context.timers()) {}

  void start() override {
    if (peer_.addresses.empty()) return lookup_.start();
    begin();
  }

  void abandon() override {
    events_ = nullptr;
    lookup_.cancel();
    schedule_.stop();
    for (auto& child : children_) child->abandon();
  }

  http::Connection& connection() override { return ready_->connection(); }
  Tried tried() const override {
    if (const Dialled* one = current()) return one->tried();
    return {.name = over_quic() ? "QUIC" : "TCP", .target = peer_.name()};
  }
  bool over_quic() const override { return security_.layer == Security::Layer::quic; }
  void measure(LinkFigures& figures) const override {
    figures.over_quic = over_quic();
    if (const Dialled* one = current()) one->measure(figures);
  }
  void each_running(const std::function<void(const Dialled&)>& visit) const override {
    for (const auto& child : children_) visit(*child);
  }

 private:
  void looked_up(Result<std::vector<net::SocketAddress>> found) {
    if (!found) return end(&found.error());
    peer_.addresses = std::move(*found);
    begin();
  }

  void begin() {
    if (over_quic()) return schedule_.begin(peer_.addresses.size());
    try_it(make_tcp_attempt(context_, peer_, security_, *this));
  }

  void start_quic(std::size_t number) {
    try_it(make_quic_attempt(context_, peer_.addresses[number], peer_, security_, *this));
  }

  void try_it(std::unique_ptr<Dialled> child) {
    Dialled& started = *child;
    children_.push_back(std::move(child));
    started.start();
  }

  // DialEvents, of the children
  void on_ready(Dialled& child) override {
    ready_ = &child;
    schedule_.stop();
    for (auto& other : children_)
      if (other.get() != &child) graveyard_.take(std::move(other));
    std::erase(children_, nullptr);
    if (events_) events_->on_ready(*this);
  }

  void on_ended(Dialled& child, const Error* why) override {
    if (ready_ != nullptr) return end(why);
    const Tried tried = child.tried();
    const FailureWords words({}, {}, context_.connect_timeout);
    failures_.push_back(why ? words.explain(tried, *why, false) : words.closed(tried));
    if (!over_quic()) return end_failed();
    if (events_) events_->on_address_failed(tried, failures_.back().error);
    if (events_ == nullptr) return;
    if (children_.size() > 1 || schedule_.has_more()) {
      for (auto& mine : children_)
        if (mine.get() == &child) graveyard_.take(std::move(mine));
      std::erase(children_, nullptr);
      // Whoever is told that it leads nowhere does not wait for its turn (RFC 8305 §5).
      schedule_.advance();
      return;
    }
    end_failed();
  }

  void end_failed() {
    const Error most = most_telling(failures_).error;
    end(&most);
  }

  void on_address_failed(const Tried& tried, const Error& why) override {
    if (events_) events_->on_address_failed(tried, why);
  }

  void end(const Error* why) {
    if (DialEvents* events = std::exchange(events_, nullptr)) events->on_ended(*this, why);
  }

  /// The one that is ready, or was begun last.
  const Dialled* current() const {
    return ready_ != nullptr ? ready_ : children_.empty() ? nullptr : children_.back().get();
  }

  Context& context_;
  Peer peer_;
  const Security security_;
  DialEvents* events_;
  Lookup lookup_;
  std::vector<std::unique_ptr<Dialled>> children_;  // that run; the last one stays when it ended
  Dialled* ready_ = nullptr;
  std::vector<Failure> failures_;  // of addresses
  net::AttemptSchedule schedule_;
  Graveyard graveyard_;
};

}  // namespace

std::unique_ptr<Dialled> DirectDialer::dial(Peer peer, Security security, DialEvents& events) {
  return std::make_unique<DirectDialled>(context_, std::move(peer), std::move(security), events);
}

}  // namespace sallyport::dial
