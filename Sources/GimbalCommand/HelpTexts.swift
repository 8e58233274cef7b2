/// What the help says beside the options: what a command is for, and lines to start from.
enum HelpTexts {
    static let gimbal = """
        To begin:     gimbal train --data digits
        Your data:    gimbal train --data table.csv --target price --task regression
                      gimbal train --data folder-of-idx-files --model resnet20
        To look:      gimbal inspect table.csv
        To follow:    gimbal watch runs/a, tensorboard --logdir runs
        To go on:     gimbal train --resume --run-dir runs/a --epochs 20
        To judge:     gimbal evaluate --checkpoint runs/a, gimbal compare runs/a runs/b
        To predict:   gimbal predict --checkpoint runs/a --data new.csv
        To choose:    gimbal recipes, gimbal devices
        Your program: gimbal new my-net
        Completions:  gimbal --generate-completion-script bash (or zsh, fish)
        """

    static let train = """
        Each kind of model comes with a recipe that works (gimbal recipes); an option that is given takes the place of \
        its part. Writes run.json, metrics.csv, an event file for TensorBoard, checkpoints and report.html to the run folder. Ctrl-C saves and leaves; --resume \
        goes on from the last checkpoint with the same bits as if the run had never stopped, and takes every setting \
        and the data from it.

        EXAMPLES:
          gimbal train --data digits
          gimbal train --data table.csv --target price --task regression
          gimbal train --data DIR --model resnet20 --epochs 5 --run-dir runs/a
          gimbal train --data DIR --optimizer adamw --schedule cosine --warmup 200
          gimbal train --data digits --model lstm --early-stopping 3 --device cpu
          gimbal train --resume --run-dir runs/a --epochs 10
        """

    static let recipes = """
        gimbal train takes these settings by itself; each can be given all the same. With another optimizer than the \
        recipe's, the rate is that optimizer's own, without momentum and weight decay; with --epochs, the recipe's early \
        stopping is left out.
        """

    static let new = """
        The package has one program, which trains a net on the embedded digits; swift run -c release, in its folder, \
        builds and runs it.

        EXAMPLES:
          gimbal new my-net
          gimbal new my-net --path ../gimbal    # with a clone of Gimbal
        """
}
