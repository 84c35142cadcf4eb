// Lifetime: lets whoever calls out, or will be called back, find out whether the object it belongs to was
// destroyed meanwhile: a member function that calls others (Guard), and a callback that comes in a later turn
// (Watch). One thread only.
#pragma once

namespace sallyport {

/// A member of the object.
class Lifetime {
 public:
  /// The function makes one before it calls out, and after each call touches the object only while it says
  /// that it is not gone. A local variable, never anything else.
  class Guard {
   public:
    explicit Guard(Lifetime& lifetime);
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();
    bool gone() const { return lifetime_ == nullptr; }

   private:
    friend class Lifetime;
    Lifetime* lifetime_;
    Guard* outer_;
  };

  /// What a callback captures that may come after the object's end, and asks before it touches the object. A
  /// copy watches the same object. Allocates nothing.
  class Watch {
   public:
    explicit Watch(Lifetime& lifetime);
    Watch(const Watch& other);
    Watch& operator=(const Watch& other);
    ~Watch();
    bool gone() const { return lifetime_ == nullptr; }

   private:
    friend class Lifetime;
    void enter(Lifetime* lifetime);
    void leave();

    Lifetime* lifetime_ = nullptr;
    // Neighbours in the list of those who watch the same object.
    Watch* before_ = nullptr;
    Watch* after_ = nullptr;
  };

  Lifetime() = default;
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;
  ~Lifetime();

 private:
  Guard* innermost_ = nullptr;
  Watch* watches_ = nullptr;
};

}  // namespace sallyport
