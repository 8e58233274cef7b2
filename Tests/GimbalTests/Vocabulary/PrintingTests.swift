import Gimbal
import GimbalTestSupport
import Testing

/// Tensors as texts: NumPy's form, and no more downloaded than is printed.
@Suite struct PrintingTests {
    func text(_ x: Tensor) -> String {
        String(x.description.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)[1])
    }

    @Test func numbersStandInColumns() {
        withDevice(.cpu) {
            #expect(Tensor([1, 2]).description == "Tensor([2], float32, cpu)\n[1., 2.]")
            #expect(text(Tensor(3)) == "3.")
            #expect(text(Tensor([[1, -2.5], [10, 0.125]])) == "[[ 1.000, -2.500],\n [10.000,  0.125]]")
            #expect(text(Tensor([1 / 3, 2])) == "[0.3333, 2.0000]")
            #expect(text(Tensor([1, .nan, .infinity, -.infinity])) == "[  1.,  nan,  inf, -inf]")
            #expect(text(Tensor([1e-7, 1])) == "[1.0000e-07, 1.0000e+00]")
            #expect(text(Tensor([1e9, 1])) == "[1.0000e+09, 1.0000e+00]")
            #expect(text(Tensor([5, -10] as [Int])) == "[  5, -10]")
            #expect(text(Tensor([true, false])) == "[1, 0]")
            #expect(text(Tensor([2_147_483_647] as [Int])) == "[2147483647]")
            #expect(text(Tensor.zeros([0])) == "[]" && text(Tensor.zeros([2, 0])) == "[[],\n []]")
            #expect(text(Tensor.zeros([0, 3])) == "[]")
            #expect(text(Tensor.zeros([2, 1, 1])) == "[[[0.]],\n\n [[0.]]]")
        }
    }

    @Test func longRowsAreBroken() {
        let lines = withDevice(.cpu) { text(Tensor.arange(100)).split(separator: "\n") }
        #expect(lines.count > 4 && lines.allSatisfy { $0.count <= 76 })
        #expect(lines[1].hasPrefix(" "))
    }

    @Test func theMiddleOfLongAxesIsLeftOut() {
        withDevice(.cpu) {
            let lines = text(Tensor.arange(2000).reshaped([50, 40])).split(separator: "\n")
            #expect(lines.count == 7)
            #expect(lines[0] == "[[   0,    1,    2, ...,   37,   38,   39],")
            #expect(lines[3] == " ...,")
            #expect(lines[6] == " [1960, 1961, 1962, ..., 1997, 1998, 1999]]")
            #expect(text(Tensor.arange(2000)) == "[   0,    1,    2, ..., 1997, 1998, 1999]")
            #expect(Tensor.arange(20).described(threshold: 10, edgeCount: 1).hasSuffix("[ 0, ..., 19]"))
            #expect(Tensor([1 / 3]).described(precision: 2).hasSuffix("[0.33]"))
        }
    }

    @Test func onlyWhatIsPrintedIsDownloaded() {
        let backend = ReferenceBackend()
        let x = Tensor.zeros([100, 3, 200], device: Device(backend: backend))
        let before = backend.downloadedBytes
        _ = x.description
        #expect(backend.downloadedBytes - before == 6 * 3 * 6 * 8)
    }

    @Test func aTensorThatWasNeverComputedSaysSo() {
        let x = Tensor.zeros([4], device: Device(backend: ReferenceBackend(memoryLimitBytes: 8)))
        #expect(x.description.contains("unreadable"))
    }
}
