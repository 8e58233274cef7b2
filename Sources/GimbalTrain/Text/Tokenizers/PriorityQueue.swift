/// Elements of which the smallest is always at hand: a binary heap.
struct PriorityQueue<Element: Comparable> {
    private var elements: [Element] = []

    /// Adds an element before `order()` is called.
    mutating func append(_ element: Element) { elements.append(element) }

    /// Puts what was appended in order, in time of its number.
    mutating func order() { for place in stride(from: elements.count / 2 - 1, through: 0, by: -1) { sink(place) } }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var place = elements.count - 1
        while place > 0, elements[place] < elements[(place - 1) / 2] {
            elements.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func popFirst() -> Element? {
        guard let first = elements.first else { return nil }
        let last = elements.removeLast()
        if !elements.isEmpty {
            elements[0] = last
            sink(0)
        }
        return first
    }

    private mutating func sink(_ start: Int) {
        var place = start
        while true {
            var child = 2 * place + 1
            if child >= elements.count { return }
            if child + 1 < elements.count, elements[child + 1] < elements[child] { child += 1 }
            if !(elements[child] < elements[place]) { return }
            elements.swapAt(place, child)
            place = child
        }
    }
}
