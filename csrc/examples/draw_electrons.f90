! Draw thermal electrons and print their moments.
!
!     gfortran -O2 $(mcplugin config --fortran) draw_electrons.f90 -o draw_electrons \
!         $(mcplugin config --libs)
!     ./draw_electrons [SAMPLER [THETA [N]]]        as in  ./draw_electrons gan 0.2 1e7
program draw_electrons
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mcplugin
    implicit none

    integer(int64), parameter :: batch = 4096  ! electrons per call

    type(electron_sampler) :: electrons
    type(random_stream) :: stream
    character(len=256) :: spec = 'gan'
    real(real64) :: theta = 0.2_real64, draws = 1e7_real64
    real(real64) :: u(batch), square(batch)
    real(real64), dimension(2) :: of_u = 0, of_square = 0, of_kinetic = 0
    integer(int64) :: n, done, now

    if (command_argument_count() >= 1) call get_command_argument(1, spec)
    if (command_argument_count() >= 2) call read_argument(2, theta)
    if (command_argument_count() >= 3) call read_argument(3, draws)
    n = int(draws, int64)

    call electrons%create(spec)
    call seed_stream(stream, seed=1_int64, number=0_int64)
    do done = 0, n - 1, batch
        now = min(batch, n - done)
        call electrons%sample(stream, theta, u(:now))
        square(:now) = u(:now)**2
        call add(of_u, u(:now))
        call add(of_square, square(:now))
        ! gamma - 1, in a form that does not cancel for slow electrons
        call add(of_kinetic, square(:now) / (1 + sqrt(1 + square(:now))))
    end do
    call electrons%destroy()

    print '(a, ", theta = ", es10.4, ": ", i0, " electrons")', trim(spec), theta, n
    call print_mean('<u>      ', of_u)
    call print_mean('<u^2>    ', of_square)
    call print_mean('<gamma-1>', of_kinetic)

contains

    subroutine read_argument(position, value)
        integer, intent(in) :: position
        real(real64), intent(out) :: value
        character(len=64) :: text

        call get_command_argument(position, text)
        read (text, *) value
    end subroutine read_argument

    ! Sums of values and of their squares.
    subroutine add(total, values)
        real(real64), intent(inout) :: total(2)
        real(real64), intent(in) :: values(:)

        total(1) = total(1) + sum(values)
        total(2) = total(2) + sum(values**2)
    end subroutine add

    subroutine print_mean(name, total)
        character(len=*), intent(in) :: name
        real(real64), intent(in) :: total(2)
        real(real64) :: mean, error

        mean = total(1) / real(n, real64)
        error = sqrt((total(2) / real(n, real64) - mean**2) / real(n, real64))
        print '(a, " = ", es15.9, " +- ", es8.2)', name, mean, error
    end subroutine print_mean

end program draw_electrons
