/// What the help says beside the options: what a command is for, and lines to start from.
enum HelpTexts {
    static let gimbal = """
        To begin:     gimbal train --data digits
        Your data:    gimbal train --data table.csv --target price --task regression
                      gimbal train --data folder-of-idx-files --model resnet20
        To tune:      gimbal search --data digits
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
          gimbal train --data DIR --model resnet20 --batch-size 32 --device opencl:0,opencl:1
          mpirun -n 4 gimbal train --data DIR --model resnet20 --batch-size 32
        """

    static let search = """
        Takes the options of gimbal train, which are the same for all trials, and varies those that --vary names. Each trial \
        is a gimbal train of its own, in a folder of the search, judged by the best epoch on the validation data. \
        With --method halving a trial is trained under the schedule of the whole training, paused, and gone on with if it is \
        among the best; nothing is computed twice. A trial that diverges, or whose settings do not go together, is the \
        worst, and ends nothing. At the end the winner is tested, and its command line is printed: it gives the same \
        result, bit for bit. The table and plots are in search.html.

        A range is spread by orders of magnitude for \(SearchedSettings.logarithmicNames.joined(separator: ", ")), else evenly; one \
        of whole numbers where the setting is one.

        Ctrl-C lets the trials save and leaves; --resume goes on, also after a kill or a full disk. Checkpoints of trials that have \
        lost are removed, while their metrics stay; --keep-checkpoints keeps all.

        EXAMPLES:
          gimbal search --data digits
          gimbal search --data table.csv --target price --trials 81 --time-limit 30
          gimbal search --data digits --vary lr=1e-3..1 --vary hidden=64,256,256:64
          gimbal search --data digits --hidden 128,64 --vary dropout=0.1:0.3,0.3:0.1
          gimbal search --data digits --weight-decay 1e-4 --vary 'layer-decay=0.*=0.1,1,10'
          gimbal search --data digits --method grid --vary lr=0.01,0.1 --vary init=he,xavier
          gimbal search --resume --search-dir searches/a
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
