import CGimbalDigits
import Gimbal

extension Dataset {
    /// The 1,797 handwritten digits of 8 × 8 pixels that are part of the program (Alpaydin and Kaynak 1998; UCI Machine
    /// Learning Repository, CC BY 4.0). Pixels 0…16 stand for 0…1; inputs have the shape [1, 8, 8].
    ///
    /// They come in the order of the source, a few writers at a time; `split(trainFraction:seed:)` mixes them.
    public static func digits() -> Dataset {
        let count = Int(gimbal_digits_count)
        let images = UnsafeBufferPointer(start: gimbal_digits_images(), count: count * Int(gimbal_digits_pixels))
        let labels = UnsafeBufferPointer(start: gimbal_digits_labels(), count: count)
        return Dataset(
            name: "digits", inputShape: [1, 8, 8], inputs: .bytes(Array(images), divisor: 16),
            targets: .classes(labels.map(Int32.init), names: (0...9).map(String.init)))
    }
}
